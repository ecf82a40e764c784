package launcher

import (
	"context"
	"os"
	"testing"

	"go.uber.org/goleak"
)

// bytecode is what Python compiles, kept for the tasks of all tests: half of
// what a short task costs.
var bytecode string

// asLauncher makes the test binary a launcher: a process has one supervisor, so
// pods that run at the same time are processes of their own.
const asLauncher = "MILLRACE_TEST_LAUNCHER"

func TestMain(m *testing.M) {
	if os.Getenv(asLauncher) != "" {
		os.Exit(Main(context.Background(), os.Args[1:], &Env{
			Lookup: os.LookupEnv, Environ: os.Environ(), Stdout: os.Stdout, Stderr: os.Stderr,
		}))
	}
	var err error
	if bytecode, err = os.MkdirTemp("", "bytecode-"); err != nil {
		panic(err)
	}
	goleak.VerifyTestMain(m, goleak.Cleanup(func(code int) {
		_ = os.RemoveAll(bytecode)
		os.Exit(code)
	}))
}
