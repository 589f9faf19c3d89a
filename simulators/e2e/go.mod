module github.com/linshao/linshao/simulators/e2e

go 1.26.0

require github.com/linshao/linshao/protocol v0.0.0
require github.com/linshao/linshao/protocol/kit v0.0.0
require github.com/linshao/linshao/edge v0.0.0
require github.com/linshao/linshao/cloud v0.0.0
require github.com/linshao/linshao/simulators v0.0.0

replace github.com/linshao/linshao/protocol => ../../protocol
replace github.com/linshao/linshao/protocol/kit => ../../protocol/kit
replace github.com/linshao/linshao/edge => ../../edge
replace github.com/linshao/linshao/cloud => ../../cloud
replace github.com/linshao/linshao/simulators => ../
