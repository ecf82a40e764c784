package launcher

import (
	"net"
	"strconv"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/millrace/millrace/internal/driverclient"
)

func TestGangEnvironment(t *testing.T) {
	members := []string{"task-1-n0", "task-1-n1", "task-1-n2"}
	common := map[string]string{
		"METAFLOW_RUNTIME_ENVIRONMENT": "kubernetes", "MF_PARALLEL_CONTROL_TASK_ID": "task-1-n0",
		"MF_PARALLEL_MAIN_IP": "10.0.0.7", "MF_MASTER_ADDR": "10.0.0.7", "MF_MASTER_PORT": "4000",
		"MF_PARALLEL_NUM_NODES": "3", "MF_WORLD_SIZE": "3",
	}
	for name, tt := range map[string]struct {
		rank int
		want map[string]string
	}{
		"control task": {0, map[string]string{
			"MF_PARALLEL_NODE_INDEX": "0", "MF_CONTROL_INDEX": "0", "UBF_CONTEXT": "ubf_control", "MILLRACE_GANG_MEMBERS": "/w/gang-members",
		}},
		"another": {2, map[string]string{"MF_PARALLEL_NODE_INDEX": "2", "MF_WORKER_REPLICA_INDEX": "1", "UBF_CONTEXT": "ubf_task"}},
	} {
		t.Run(name, func(t *testing.T) {
			i := call(func(i *invocation) {
				i.task.Gang = &driverclient.Gang{Size: 3, Rank: tt.rank, MainAddress: "10.0.0.7:4000", Members: members}
			})
			got := map[string]string{}
			// Roles and addresses of the pod's own are not the gang's.
			for _, pair := range i.environment([]string{"MF_CONTROL_INDEX=0", "MF_WORKER_REPLICA_INDEX=7", "MF_MASTER_ADDR=elsewhere"}) {
				name, value, _ := strings.Cut(pair, "=")
				if strings.HasPrefix(name, "MF_") || name == "UBF_CONTEXT" || name == "MILLRACE_GANG_MEMBERS" || name == "METAFLOW_RUNTIME_ENVIRONMENT" {
					got[name] = value
				}
			}
			for name, value := range common {
				tt.want[name] = value
			}
			if diff := cmp.Diff(tt.want, got); diff != "" {
				t.Error(diff)
			}
		})
	}
}

func TestCheckGang(t *testing.T) {
	for problem, g := range map[string]driverclient.Gang{
		"":               {Size: 2, Rank: 1, MainAddress: "[fd00::7]:4000", Members: []string{"a", "b"}},
		"rank 2 of 2":    {Size: 2, Rank: 2, MainAddress: "h:1", Members: []string{"a", "b"}},
		"rank 0 of 0":    {MainAddress: "h:1"},
		"1 of 2 members": {Size: 2, MainAddress: "h:1", Members: []string{"a"}},
		"not host:port":  {Size: 1, MainAddress: "10.0.0.7", Members: []string{"a"}},
		`is ":4000"`:     {Size: 1, MainAddress: ":4000", Members: []string{"a"}},
	} {
		if err := checkGang(&g); (err == nil) != (problem == "") || err != nil && !strings.Contains(err.Error(), problem) {
			t.Errorf("%q: %v", problem, err)
		}
	}
}

// TestGangAddress: the port is one that can be listened on.
func TestGangAddress(t *testing.T) {
	for ip, want := range map[string]string{"": "127.0.0.1", "10.0.0.7": "10.0.0.7", "fd00::7": "fd00::7"} {
		host, err := (&options{podIP: ip, driver: "127.0.0.1:7000"}).reachableAt(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		address, err := gangAddress(host)
		if err != nil {
			t.Fatal(err)
		}
		got, port, err := net.SplitHostPort(address)
		if err != nil || got != want {
			t.Errorf("%s: %v", address, err)
		}
		if n, _ := strconv.Atoi(port); n < firstPort || n >= firstPort+ports {
			t.Errorf("port %s", port)
		}
		l, err := net.Listen("tcp", ":"+port)
		if err != nil {
			t.Fatal(err)
		}
		l.Close()
	}
}
