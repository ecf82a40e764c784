package interp

import (
	"fmt"
	"io"
	"net"
	"slices"
	"strconv"
	"strings"
	"sync"

	"github.com/millrace/millrace/internal/dev/pod"
)

// driverVariable is where a pod reads the driver's address.
const driverVariable = "MILLRACE_DRIVER="

// proxy is a pod's own way to the driver. A nil one is none.
type proxy struct {
	listener net.Listener
	target   string

	mu    sync.Mutex
	conns []net.Conn
	shut  bool
}

func openProxy(port int, target string) (*proxy, error) {
	l, err := net.Listen("tcp", "127.0.0.1:"+strconv.Itoa(port))
	if err != nil {
		return nil, fmt.Errorf("open a pod's way to the driver: %w", err)
	}
	p := &proxy{listener: l, target: target}
	go p.serve()
	return p, nil
}

// ownWay puts a proxy between the pod and the driver its environment names.
func ownWay(spec *pod.Spec) (*proxy, error) {
	i := slices.IndexFunc(spec.Env, func(entry string) bool { return strings.HasPrefix(entry, driverVariable) })
	if i < 0 {
		return nil, nil // it speaks to no driver
	}
	p, err := openProxy(0, strings.TrimPrefix(spec.Env[i], driverVariable))
	if err != nil {
		return nil, err
	}
	spec.Env[i] = driverVariable + "127.0.0.1:" + strconv.Itoa(p.port())
	return p, nil
}

// reopen gives an adopted pod its way back, on the port it knows.
func (e *Engine) reopen(m *machine, n *Node) *proxy {
	if n.Proc.Proxy == 0 {
		return nil
	}
	box := m.p.spec.DeploymentSpec.Executors[m.component(m.task(n)).ExecutorLabel].Container
	for _, v := range box.Env {
		if v.Name+"=" != driverVariable {
			continue
		}
		p, err := openProxy(n.Proc.Proxy, v.Value)
		if err != nil {
			e.cfg.Logger.Error("a pod of the stack before is cut off from the driver", "pod", n.Name, "error", err)
		}
		return p
	}
	return nil
}

func (p *proxy) port() int {
	if p == nil {
		return 0
	}
	return p.listener.Addr().(*net.TCPAddr).Port
}

func (p *proxy) serve() {
	for {
		in, err := p.listener.Accept()
		if err != nil {
			return
		}
		go p.carry(in)
	}
}

func (p *proxy) carry(in net.Conn) {
	out, err := net.Dial("tcp", p.target)
	if err != nil {
		_ = in.Close()
		return
	}
	if !p.keep(in, out) {
		return
	}
	var both sync.WaitGroup
	copyOver := func(to, from net.Conn) {
		_, _ = io.Copy(to, from)
		_ = to.Close()
		_ = from.Close()
	}
	both.Go(func() { copyOver(in, out) })
	both.Go(func() { copyOver(out, in) })
	both.Wait()
	p.drop(in, out)
}

// keep remembers connections that close must end; after close there are none.
func (p *proxy) keep(conns ...net.Conn) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.shut {
		for _, c := range conns {
			_ = c.Close()
		}
		return false
	}
	p.conns = append(p.conns, conns...)
	return true
}

func (p *proxy) drop(conns ...net.Conn) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.conns = slices.DeleteFunc(p.conns, func(c net.Conn) bool { return slices.Contains(conns, c) })
}

func (p *proxy) close() {
	if p == nil {
		return
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	p.shut = true
	_ = p.listener.Close()
	for _, c := range p.conns {
		_ = c.Close()
	}
}
