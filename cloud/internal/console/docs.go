package console

import (
	"slices"
	"strings"

	"github.com/danielgtaylor/huma/v2"
)

// docsPage is the readable form of the OpenAPI document.
type docsPage struct {
	Title, Description, Version string
	Groups                      []docsGroup
}

type docsGroup struct {
	Name       string
	Operations []docsOperation
}

type docsOperation struct {
	Method, Path, Summary, Description string
	Params                             []docsParam
}

type docsParam struct {
	Name, In, Doc string
	Required      bool
}

func docsOf(o *huma.OpenAPI) docsPage {
	page := docsPage{Title: o.Info.Title, Description: o.Info.Description, Version: o.Info.Version}
	groups := map[string][]docsOperation{}
	for path, item := range o.Paths {
		for method, op := range map[string]*huma.Operation{"GET": item.Get, "POST": item.Post, "PUT": item.Put, "DELETE": item.Delete} {
			if op == nil || len(op.Tags) == 0 {
				continue
			}
			d := docsOperation{Method: method, Path: path, Summary: op.Summary, Description: op.Description}
			for _, p := range op.Parameters {
				d.Params = append(d.Params, docsParam{Name: p.Name, In: p.In, Doc: p.Description, Required: p.Required})
			}
			groups[op.Tags[0]] = append(groups[op.Tags[0]], d)
		}
	}
	for name, ops := range groups {
		slices.SortFunc(ops, func(a, b docsOperation) int { return strings.Compare(a.Path+a.Method, b.Path+b.Method) })
		page.Groups = append(page.Groups, docsGroup{Name: name, Operations: ops})
	}
	slices.SortFunc(page.Groups, func(a, b docsGroup) int { return strings.Compare(a.Name, b.Name) })
	return page
}
