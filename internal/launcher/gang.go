package launcher

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"net"
	"strconv"
	"strings"

	"github.com/millrace/millrace/internal/driverclient"
)

// The ports from which a gang's is taken lie below those that kernels give to
// outgoing connections, so that none of these takes it before the task does,
// and below Kubernetes' node ports.
const (
	firstPort = 20000
	ports     = 10000
	portTries = 100
)

// gangAddress is where others reach this pod: its IP and a port that is free
// for the task's own use.
func gangAddress(podIP string) (string, error) {
	for range portTries {
		port := strconv.Itoa(firstPort + rand.N(ports))
		l, err := net.Listen("tcp", ":"+port)
		if err != nil {
			continue
		}
		if err := l.Close(); err != nil {
			return "", fmt.Errorf("a port for the gang: %w", err)
		}
		return net.JoinHostPort(podIP, port), nil
	}
	return "", fmt.Errorf("a port for the gang: none of %d tried between %d and %d is free", portTries, firstPort, firstPort+ports-1)
}

// reachableAt is --pod-ip, or the address from which this pod reaches the
// driver: on one machine that is loopback, in a cluster the pod's own.
func (o *options) reachableAt(ctx context.Context) (string, error) {
	if o.podIP != "" {
		return o.podIP, nil
	}
	// Nothing is sent: for UDP, to connect is to choose a route.
	route, err := (&net.Dialer{}).DialContext(ctx, "udp", o.driver)
	if err != nil {
		return "", fmt.Errorf("this pod's address for its gang: %w; set --pod-ip (MILLRACE_POD_IP)", err)
	}
	defer route.Close()
	host, _, err := net.SplitHostPort(route.LocalAddr().String())
	return host, err
}

// checkGang refuses what cannot be made a command line of.
func checkGang(g *driverclient.Gang) error {
	switch {
	case g.Rank < 0 || g.Rank >= g.Size:
		return fmt.Errorf("the gang: rank %d of %d", g.Rank, g.Size)
	case len(g.Members) != g.Size:
		return fmt.Errorf("the gang: %d of %d members are named", len(g.Members), g.Size)
	}
	if host, port, err := net.SplitHostPort(g.MainAddress); err != nil || host == "" || port == "" {
		return errors.Join(fmt.Errorf("the gang: the address of rank 0 is %q, not host:port", g.MainAddress), err)
	}
	return nil
}

// gangOptions are a member's of `step`: Metaflow's control task is the first
// of the gang, which runs the user's code like the others.
func gangOptions(g *driverclient.Gang) []string {
	ubf := "ubf_task"
	if g.Rank == 0 {
		ubf = "ubf_control"
	}
	return []string{"--ubf-context=" + ubf, "--num-parallel=" + strconv.Itoa(g.Size)}
}

// gangEnvironment is what Metaflow's own pods tell the members of a gang.
// @parallel reads MF_PARALLEL_*, which @kubernetes makes anew from the others;
// with a runtime environment of "local", the default, the control task would
// start the other members itself.
func gangEnvironment(g *driverclient.Gang, members string) map[string]string {
	host, port, _ := net.SplitHostPort(g.MainAddress) // checkGang
	size, rank := strconv.Itoa(g.Size), strconv.Itoa(g.Rank)
	out := map[string]string{
		"METAFLOW_RUNTIME_ENVIRONMENT": "kubernetes",
		"MF_PARALLEL_MAIN_IP":          host, "MF_PARALLEL_NUM_NODES": size, "MF_PARALLEL_NODE_INDEX": rank,
		"MF_PARALLEL_CONTROL_TASK_ID": g.Members[0],
		"MF_MASTER_ADDR":              host, "MF_MASTER_PORT": port, "MF_WORLD_SIZE": size,
	}
	if g.Rank == 0 {
		out["UBF_CONTEXT"], out["MF_CONTROL_INDEX"] = "ubf_control", "0"
		out["MILLRACE_GANG_MEMBERS"] = members
	} else {
		out["UBF_CONTEXT"], out["MF_WORKER_REPLICA_INDEX"] = "ubf_task", strconv.Itoa(g.Rank-1)
	}
	return out
}

// gangRoles are set for one role and must be missing from the other, also when
// the pod has them.
var gangRoles = []string{"MF_CONTROL_INDEX", "MF_WORKER_REPLICA_INDEX", "MILLRACE_GANG_MEMBERS"}

// gangMembers is the text of the file that MILLRACE_GANG_MEMBERS names: a
// task's id in each line, by rank.
func gangMembers(g *driverclient.Gang) []byte {
	return []byte(strings.Join(g.Members, "\n") + "\n")
}
