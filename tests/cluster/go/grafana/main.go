// Reads a dashboard strictly, by Grafana's own published schema: an unknown or missing field, or a panel or query of
// another type than those below, is an error. Prints the number of panels with queries.
package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"os"

	"github.com/grafana/grafana-foundation-sdk/go/cog"
	"github.com/grafana/grafana-foundation-sdk/go/dashboard"
	"github.com/grafana/grafana-foundation-sdk/go/prometheus"
	"github.com/grafana/grafana-foundation-sdk/go/stat"
	"github.com/grafana/grafana-foundation-sdk/go/timeseries"
)

func main() {
	runtime := cog.NewRuntime()
	runtime.RegisterPanelcfgVariant(timeseries.VariantConfig())
	runtime.RegisterPanelcfgVariant(stat.VariantConfig())
	runtime.RegisterDataqueryVariant(prometheus.VariantConfig())
	count, err := read(os.Args[1])
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	fmt.Println(count)
}

func read(path string) (int, error) {
	data, err := os.ReadFile(path)
	if err != nil {
		return 0, err
	}
	if err := found(new(dashboard.Dashboard).UnmarshalJSONStrict(data)); err != nil {
		return 0, err
	}
	// The strict reading reports errors, and leaves panels out of its result.
	var read dashboard.Dashboard
	if err := json.Unmarshal(data, &read); err != nil {
		return 0, err
	}
	if err := found(read.Validate()); err != nil {
		return 0, err
	}
	count := 0
	for _, one := range read.Panels {
		if one.RowPanel != nil {
			continue
		}
		count++
		switch options := one.Panel.Options.(type) {
		case *timeseries.Options, *stat.Options:
		default:
			return 0, fmt.Errorf("panel %q: options are %T", *one.Panel.Title, options)
		}
		for _, target := range one.Panel.Targets {
			if _, known := target.(*prometheus.Dataquery); !known {
				return 0, fmt.Errorf("panel %q: a query is %T", *one.Panel.Title, target)
			}
		}
	}
	return count, nil
}

// The schema's functions return an empty list of errors where there is none.
func found(err error) error {
	var all cog.BuildErrors
	if errors.As(err, &all) && len(all) == 0 {
		return nil
	}
	return err
}
