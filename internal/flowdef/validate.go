package flowdef

import (
	"encoding/hex"
	"encoding/json"
	"fmt"
	"regexp"
	"strings"
	"unicode"
	"unicode/utf8"
)

// Bounds of a definition. They are far beyond any flow people write; they are
// here so that no document can make the driver work without end.
const (
	maxSteps      = 1000
	maxEntries    = 1000
	maxName       = 255
	maxText       = 64 << 10
	maxWorkersMax = 10_000
	maxSplitsMax  = 1_000_000
	maxRetries    = 1000
	maxSeconds    = 366 * 24 * 3600
)

var (
	quantity  = regexp.MustCompile(`^[0-9]+(\.[0-9]+)?(m|k|[KMGTPE]i?|[eE][+-]?[0-9]+)?$`)
	stepTypes = map[StepType]bool{
		Start: true, Linear: true, Join: true, End: true, SplitStatic: true,
		SplitForeach: true, SplitSwitch: true, SplitParallel: true,
	}
)

// Validate checks every field and the shape of the graph. It returns the
// first fault as a *FieldError.
func (d *Definition) Validate() error {
	c := &checker{}
	d.checkTop(c)
	for i := range d.Steps {
		d.Steps[i].check(c, fmt.Sprintf("steps[%d]", i))
	}
	checkParameters(c, d.Parameters)
	if c.err == nil {
		if _, err := d.Frames(); err != nil {
			return err
		}
		return nil
	}
	return c.err
}

func (d *Definition) checkTop(c *checker) {
	c.ok(d.Schema == Schema, "schema", "is %d, this build knows %d", d.Schema, Schema)
	c.identifier("flow", d.Flow)
	c.name("pipeline", d.Pipeline)
	c.name("script", d.Script)
	c.ok(!strings.ContainsAny(d.Script, `/\`) && d.Script != "." && d.Script != "..", "script", "%q is not a base name", d.Script)
	c.ok(len(d.Steps) > 0, "steps", "a flow has at least one step")
	c.ok(len(d.Steps) <= maxSteps, "steps", "%d steps, more than %d", len(d.Steps), maxSteps)
	c.texts("top_options", d.TopOptions)
	c.environment("environment", d.Environment)
	c.texts("system_tags", d.SystemTags)
	c.texts("tags", d.Tags)
	c.text("namespace", d.Namespace)
	c.text("owner", d.Owner)
	c.text("production_token", d.ProductionToken)
	c.name("python", d.Python)
	c.name("metaflow_version", d.MetaflowVersion)
	c.between("max_workers", int64(d.MaxWorkers), 1, maxWorkersMax)
	c.between("max_splits", d.MaxSplits, 1, maxSplitsMax)

	p := d.CodePackage
	c.ok(p.URL != "", "code_package.url", "missing")
	c.text("code_package.url", p.URL)
	c.hex("code_package.sha1", p.SHA1, 20)
	c.hex("code_package.sha256", p.SHA256, 32)
	c.ok(p.Size > 0, "code_package.size", "is %d, must be positive", p.Size)
	c.text("code_package.metadata", p.Metadata)

	switch d.Datastore.Type {
	case "local", "s3", "gs", "azure":
	default:
		c.fail("datastore.type", "%q is none of local, s3, gs, azure", d.Datastore.Type)
	}
	c.ok(d.Datastore.Root != "", "datastore.root", "missing")
	c.text("datastore.root", d.Datastore.Root)
}

func (s *Step) check(c *checker, at string) {
	c.identifier(at+".name", s.Name)
	c.ok(s.Name != ParametersStep, at+".name", "%q is Metaflow's own", s.Name)
	c.ok(stepTypes[s.Type], at+".type", "%q is no type of a Metaflow step", s.Type)
	c.ok(len(s.Next) <= maxSteps, at+".next", "%d steps, more than %d", len(s.Next), maxSteps)
	c.text(at+".foreach_var", s.ForeachVar)
	c.text(at+".condition", s.Condition)
	c.ok(s.Type != SplitSwitch || s.Condition != "", at+".condition", "missing in a switch step")
	c.ok(len(s.SwitchCases) <= maxEntries, at+".switch_cases", "%d cases, more than %d", len(s.SwitchCases), maxEntries)
	c.texts(at+".split_parents", s.SplitParents)

	c.between(at+".retry.user_retries", int64(s.Retry.UserRetries), 0, maxRetries)
	c.between(at+".retry.error_retries", int64(s.Retry.ErrorRetries), 0, maxRetries)
	c.between(at+".retry.delay_seconds", s.Retry.DelaySeconds, 0, maxSeconds)
	c.between(at+".timeout_seconds", s.TimeoutSeconds, 0, maxSeconds)
	c.environment(at+".environment", s.Environment)
	c.texts(at+".with", s.With)
	c.ok(s.Executable != "", at+".executable", "missing")
	c.text(at+".executable", s.Executable)
	c.texts(at+".bootstrap", s.Bootstrap)
	s.Resources.check(c, at+".resources")
}

func (r *Resources) check(c *checker, at string) {
	c.text(at+".image", r.Image)
	c.ok(!strings.ContainsFunc(r.Image, unicode.IsSpace), at+".image", "%q has white space", r.Image)
	for _, q := range []struct{ field, value string }{
		{"cpu", r.CPU},
		{"cpu_limit", r.CPULimit},
		{"memory", r.Memory},
		{"memory_limit", r.MemoryLimit},
		{"gpu", r.GPU},
		{"shared_memory", r.SharedMemory},
		{"tmpfs_size", r.TmpfsSize},
	} {
		c.ok(q.value == "" || len(q.value) <= maxName && quantity.MatchString(q.value), at+"."+q.field, "%q is no Kubernetes quantity", q.value)
	}
	c.text(at+".gpu_type", r.GPUType)
	c.path(at+".tmpfs_path", r.TmpfsPath)
	switch r.PullPolicy {
	case "", "Always", "IfNotPresent", "Never":
	default:
		c.fail(at+".image_pull_policy", "%q is none of Always, IfNotPresent, Never", r.PullPolicy)
	}
	c.texts(at+".image_pull_secrets", r.PullSecrets)
	c.mapping(at+".node_selector", r.NodeSelector)
	c.mapping(at+".labels", r.Labels)
	c.mapping(at+".annotations", r.Annotations)
	c.mapping(at+".persistent_volume_claims", r.PersistentVolumeClaims)
	for claim, path := range r.PersistentVolumeClaims {
		c.ok(path != "", at+".persistent_volume_claims."+claim, "no mount path")
		c.path(at+".persistent_volume_claims."+claim, path)
	}
	c.ok(len(r.Tolerations) <= maxEntries, at+".tolerations", "%d entries, more than %d", len(r.Tolerations), maxEntries)
	for i, t := range r.Tolerations {
		field := fmt.Sprintf("%s.tolerations[%d]", at, i)
		switch t.Operator {
		case "", "Equal", "Exists":
		default:
			c.fail(field+".operator", "%q is none of Equal, Exists", t.Operator)
		}
		switch t.Effect {
		case "", "NoSchedule", "PreferNoSchedule", "NoExecute":
		default:
			c.fail(field+".effect", "%q is none of NoSchedule, PreferNoSchedule, NoExecute", t.Effect)
		}
		c.text(field+".key", t.Key)
		c.text(field+".value", t.Value)
	}
	c.texts(at+".unsupported", r.Unsupported)
}

func checkParameters(c *checker, parameters []Parameter) {
	c.ok(len(parameters) <= maxEntries, "parameters", "%d parameters, more than %d", len(parameters), maxEntries)
	seen := map[string]bool{}
	for i, p := range parameters {
		at := fmt.Sprintf("parameters[%d]", i)
		c.name(at+".name", p.Name)
		c.ok(!seen[p.Name], at+".name", "%q is there twice", p.Name)
		c.ok(!strings.HasPrefix(p.Name, "millrace_"), at+".name", "%q: names that start with millrace_ are ours; rename the parameter", p.Name)
		seen[p.Name] = true
		c.text(at+".help", p.Help)
		switch p.Type {
		case "str", "int", "float", "bool", "json":
		default:
			c.fail(at+".type", "%q is none of str, int, float, bool, json", p.Type)
		}
		if len(p.Default) == 0 {
			c.ok(p.Required, at+".default", "missing, and the parameter is not required; None is null")
			continue
		}
		var v any
		if err := json.Unmarshal(p.Default, &v); err != nil {
			c.fail(at+".default", "not JSON: %v", err)
			continue
		}
		c.ok(v == nil || fits(p.Type, v), at+".default", "%s is not of type %s", clip(string(p.Default)), p.Type)
	}
}

func fits(typ string, v any) bool {
	switch v.(type) {
	case string:
		return typ == "str" || typ == "json"
	case float64:
		return typ == "int" || typ == "float" || typ == "json"
	case bool:
		return typ == "bool" || typ == "json"
	default:
		return typ == "json"
	}
}

// checker keeps the first fault.
type checker struct{ err error }

func (c *checker) fail(field, format string, args ...any) {
	if c.err == nil {
		c.err = &FieldError{Field: field, Problem: fmt.Sprintf(format, args...)}
	}
}

func (c *checker) ok(holds bool, field, format string, args ...any) {
	if !holds {
		c.fail(field, format, args...)
	}
}

func (c *checker) between(field string, v, low, high int64) {
	c.ok(v >= low && v <= high, field, "is %d, must be from %d to %d", v, low, high)
}

// identifier wants a Python identifier.
func (c *checker) identifier(field, v string) {
	c.name(field, v)
	for i, r := range v {
		if r != '_' && !unicode.IsLetter(r) && (i == 0 || !unicode.IsDigit(r)) {
			c.fail(field, "%q is no Python identifier", v)
		}
	}
}

// name wants one short line.
func (c *checker) name(field, v string) {
	c.ok(v != "", field, "missing")
	c.ok(len(v) <= maxName, field, "%d bytes long, more than %d", len(v), maxName)
	c.ok(utf8.ValidString(v) && !strings.ContainsFunc(v, unicode.IsControl), field, "%q has control characters", clip(v))
}

func (c *checker) text(field, v string) {
	c.ok(len(v) <= maxText, field, "%d bytes long, more than %d", len(v), maxText)
	c.ok(!strings.Contains(v, "\x00"), field, "has a NUL byte")
}

func (c *checker) texts(field string, vs []string) {
	c.ok(len(vs) <= maxEntries, field, "%d entries, more than %d", len(vs), maxEntries)
	for i, v := range vs {
		c.text(fmt.Sprintf("%s[%d]", field, i), v)
	}
}

func (c *checker) mapping(field string, m map[string]string) {
	c.ok(len(m) <= maxEntries, field, "%d entries, more than %d", len(m), maxEntries)
	for k, v := range m {
		c.ok(k != "", field, "an entry has no name")
		c.text(field, k)
		c.text(field+"."+clip(k), v)
	}
}

func (c *checker) environment(field string, m map[string]string) {
	c.mapping(field, m)
	for k := range m {
		c.ok(!strings.Contains(k, "="), field, "%q is no name of a variable", clip(k))
	}
}

func (c *checker) path(field, v string) {
	c.text(field, v)
	c.ok(v == "" || strings.HasPrefix(v, "/"), field, "%q is not absolute", clip(v))
}

func (c *checker) hex(field, v string, size int) {
	b, err := hex.DecodeString(v)
	c.ok(err == nil && len(b) == size && strings.ToLower(v) == v, field, "%q is not %d lower-case hex digits", clip(v), 2*size)
}

func clip(s string) string {
	if len(s) > 80 {
		return strings.ToValidUTF8(s[:80], "") + "…"
	}
	return s
}
