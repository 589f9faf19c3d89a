module github.com/linshao/linshao/simulators/e2e

go 1.26.7

require (
	github.com/eclipse/paho.mqtt.golang v1.5.1
	github.com/linshao/linshao/protocol v0.0.0
	github.com/linshao/linshao/protocol/kit v0.0.0
	github.com/linshao/linshao/simulators v0.0.0
)

require (
	github.com/gorilla/websocket v1.5.4-0.20250319132907-e064f32e3674 // indirect
	golang.org/x/net v0.61.0 // indirect
	golang.org/x/sync v0.24.0 // indirect
)

replace github.com/linshao/linshao/protocol => ../../protocol

replace github.com/linshao/linshao/protocol/kit => ../../protocol/kit

replace github.com/linshao/linshao/edge => ../../edge

replace github.com/linshao/linshao/cloud => ../../cloud

replace github.com/linshao/linshao/simulators => ../
