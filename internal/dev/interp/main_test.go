package interp

import (
	"fmt"
	"os"
	"strings"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/millrace/millrace/internal/dev/pod"
)

// TestMain makes the test binary a pod's supervisor, or a stack to be killed,
// when it is started as one.
func TestMain(m *testing.M) {
	switch {
	case len(os.Args) == 2 && os.Args[1] == "pod-supervise":
		os.Exit(pod.Supervise(os.Stdin))
	case len(os.Args) == 4 && os.Args[1] == "stack-to-kill":
		fmt.Fprintln(os.Stderr, stackToKill(os.Args[2], os.Args[3]))
		os.Exit(1)
	}
	goleak.VerifyTestMain(m)
}

// stackToKill runs a document, prints its first pod that has spoken, and
// waits for its end.
func stackToKill(home, file string) error {
	document, err := os.ReadFile(file)
	if err != nil {
		return err
	}
	p, err := Parse(document)
	if err != nil {
		return err
	}
	e, _, err := openEngine(home, testConfig(os.Stderr))
	if err != nil {
		return err
	}
	v, err := e.Create("a run", document, p, Values{}, nil)
	if err != nil {
		return err
	}
	for {
		pods, err := e.Pods(v.ID)
		if err != nil {
			return err
		}
		for _, pod := range pods {
			if log, _ := os.ReadFile(home + "/logs/" + v.ID + "/" + pod.Name + ".log"); strings.Contains(string(log), pod.UID) {
				fmt.Println(v.ID, pod.UID, pod.Name, pod.PID)
				select {}
			}
		}
		time.Sleep(5 * time.Millisecond)
	}
}
