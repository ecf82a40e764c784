package interp

import (
	"regexp"
	"strings"
	"testing"
)

var (
	podsFolder = regexp.MustCompile(`/\S*/pods/[^/]*/outputs/`)
	workflow   = regexp.MustCompile(`"pipelineJobResourceName":"([a-z-]*)-[0-9a-f]{5}"`)
)

// The pipelines that ran on KFP 2.17 run here, to the same end.
func TestContractPipelines(t *testing.T) {
	for _, test := range []struct {
		file, states, logs string
	}{
		{
			"foreach-pool",
			`. SUCCEEDED|finally SUCCEEDED|flow SUCCEEDED|flow/end SUCCEEDED|flow/start SUCCEEDED|flow/work SUCCEEDED|flow/work/0 SUCCEEDED|flow/work/1 SUCCEEDED|verify SUCCEEDED`,
			`running finally RUN {"error":{},"pipelineJobResourceName":"foreach-pool","pipelineTaskName":"flow","state":"COMPLETE"}|running end RUN|running start RUN OUT/workers|running work RUN 0|running work RUN 1|verify`,
		},
		{
			"nested-foreach",
			`. SUCCEEDED|finally SUCCEEDED|flow SUCCEEDED|flow/inner SUCCEEDED|flow/inner/0 SUCCEEDED|flow/inner/1 SUCCEEDED|flow/inner/2 SUCCEEDED|flow/joinin SUCCEEDED|flow/joinin/0 SUCCEEDED|flow/joinin/1 SUCCEEDED|flow/joinout SUCCEEDED|flow/outer SUCCEEDED|flow/outer/0 SUCCEEDED|flow/outer/1 SUCCEEDED|flow/plan-inner SUCCEEDED|flow/start SUCCEEDED`,
			`running finally RUN {"error":{},"pipelineJobResourceName":"nested-foreach","pipelineTaskName":"flow","state":"COMPLETE"}|running inner RUN 0|running inner RUN 1|running inner RUN 2|running joinin RUN 0|running joinin RUN 1|running joinout RUN|running outer RUN 0|running outer RUN 1|running plan-inner RUN OUT/workers|running start RUN OUT/workers`,
		},
		{
			"switch-by-lists",
			`. SUCCEEDED|finally SUCCEEDED|flow SUCCEEDED|flow/after SUCCEEDED|flow/cheap SKIPPED|flow/cheap2 SKIPPED|flow/fan SUCCEEDED|flow/fan/0 SUCCEEDED|flow/join SUCCEEDED|flow/join/0 SUCCEEDED|flow/plan-1 SUCCEEDED|flow/sw SUCCEEDED|flow/work SUCCEEDED|flow/work/0 SUCCEEDED|flow/work/1 SUCCEEDED|flow/work/2 SUCCEEDED`,
			`running finally RUN {"error":{},"pipelineJobResourceName":"switch-by-lists","pipelineTaskName":"flow","state":"COMPLETE"}|running after RUN|running fan RUN 0|running join RUN 0|running plan-1 RUN OUT/workers_work|running sw RUN OUT/workers_fan OUT/workers_cheap|running work RUN 0|running work RUN 1|running work RUN 2`,
		},
	} {
		t.Run(test.file, func(t *testing.T) {
			s := newStack(t, nil)
			id := s.start(readFile(t, "testdata/"+test.file+".yaml"), nil)
			v := s.wait(id, "SUCCEEDED")
			if got := lines(states(v)); got != test.states {
				t.Errorf("states:\n%s\nwant:\n%s", got, test.states)
			}
			logs := podsFolder.ReplaceAllString(s.logs(id), "OUT/")
			logs = workflow.ReplaceAllString(logs, `"pipelineJobResourceName":"$1"`)
			if got := lines(logs); got != test.logs {
				t.Errorf("logs:\n%s\nwant:\n%s", got, test.logs)
			}
		})
	}
}

func lines(text string) string { return strings.ReplaceAll(strings.TrimSpace(text), "\n", "|") }
