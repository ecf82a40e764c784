// Command flowgen writes a random flow and what running it must give.
//
//	flowgen -seed 17 -tasks 12 -with loop,gang -out DIR     DIR/flow.py, DIR/plan.json
package main

import (
	"encoding/json"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"github.com/millrace/millrace/test/flowgen"
)

func main() {
	if err := run(os.Args[1:]); err != nil {
		fmt.Fprintln(os.Stderr, "flowgen:", err)
		os.Exit(1)
	}
}

func run(args []string) error {
	var o flowgen.Options
	flags := flag.NewFlagSet("flowgen", flag.ContinueOnError)
	seed := flags.Uint64("seed", 1, "the flow's `number`")
	out := flags.String("out", ".", "the `folder` to write to; made when it is missing")
	with := flags.String("with", "", "`features` the flow must have: "+strings.Join(flowgen.Features(), ", "))
	without := flags.String("without", "", "`features` it must not have")
	flags.IntVar(&o.Tasks, "tasks", 12, "the most tasks")
	flags.IntVar(&o.Steps, "steps", 12, "about the most steps")
	if err := flags.Parse(args); err != nil {
		return err
	}
	o.With, o.Without = list(*with), list(*without)
	f, tasks, err := flowgen.Make(*seed, o)
	if err != nil {
		return err
	}
	plan, err := json.MarshalIndent(flowgen.NewPlan(*seed, f, tasks), "", "  ")
	if err != nil {
		return fmt.Errorf("seed %d: plan: %w", *seed, err)
	}
	if err := os.MkdirAll(*out, 0o755); err != nil {
		return err
	}
	about := fmt.Sprintf("seed %d, %d tasks", *seed, len(tasks))
	if err := os.WriteFile(filepath.Join(*out, "flow.py"), []byte(f.Script(about)), 0o644); err != nil {
		return err
	}
	return os.WriteFile(filepath.Join(*out, "plan.json"), append(plan, '\n'), 0o644)
}

func list(text string) []string {
	return strings.FieldsFunc(text, func(r rune) bool { return r == ',' })
}
