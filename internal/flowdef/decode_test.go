package flowdef

import (
	"encoding/json"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func golden(tb testing.TB) []byte {
	tb.Helper()
	data, err := os.ReadFile(filepath.Join("testdata", "definition.v1.json"))
	if err != nil {
		tb.Fatal(err)
	}
	return data
}

// TestGoldenDefinition: a definition deployed by version 1 must decode for
// ever; a run of it may be going on.
func TestGoldenDefinition(t *testing.T) {
	d, err := Decode(golden(t))
	if err != nil {
		t.Fatal(err)
	}
	again, err := json.Marshal(d)
	if err != nil {
		t.Fatal(err)
	}
	back, err := Decode(again)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(d, back); diff != "" {
		t.Errorf("does not survive encoding:\n%s", diff)
	}
}

// TestDecodeNamesTheField edits one field of a good document at a time.
func TestDecodeNamesTheField(t *testing.T) {
	type doc = map[string]any
	step := func(d doc, i int) doc { return d["steps"].([]any)[i].(doc) }
	param := func(d doc, i int) doc { return d["parameters"].([]any)[i].(doc) }
	tests := map[string]struct {
		edit  func(doc)
		field string
		want  string
	}{
		"no schema":          {func(d doc) { delete(d, "schema") }, "schema", "missing"},
		"newer schema":       {func(d doc) { d["schema"] = 2; d["gangs"] = 1 }, "schema", "is 2"},
		"unknown field":      {func(d doc) { d["colour"] = "red" }, "", "colour"},
		"unknown step field": {func(d doc) { step(d, 1)["colour"] = "red" }, "", "colour"},
		"wrong type":         {func(d doc) { d["max_workers"] = "many" }, "max_workers", "string"},
		"flow":               {func(d doc) { d["flow"] = "" }, "flow", "missing"},
		"flow name":          {func(d doc) { d["flow"] = "a b" }, "flow", "identifier"},
		"script path":        {func(d doc) { d["script"] = "../flow.py" }, "script", "base name"},
		"no steps":           {func(d doc) { d["steps"] = []any{} }, "steps", "at least one"},
		"next":               {func(d doc) { step(d, 2)["next"] = []any{"foo"} }, "steps[2].next[0]", `no step "foo"`},
		"start step":         {func(d doc) { d["start_step"] = "foo" }, "start_step", `no step "foo"`},
		"end step":           {func(d doc) { d["end_step"] = "foo" }, "end_step", `no step "foo"`},
		"twice":              {func(d doc) { step(d, 1)["name"] = "start" }, "steps[1].name", "twice"},
		"our step":           {func(d doc) { step(d, 1)["name"] = "_parameters" }, "steps[1].name", "Metaflow's own"},
		"type":               {func(d doc) { step(d, 1)["type"] = "loop" }, "steps[1].type", "loop"},
		"loop":               {func(d doc) { step(d, 1)["next"] = []any{"start"} }, "steps[1].next[0]", "leads back"},
		"not joined": {func(d doc) {
			step(d, 2)["join"] = false
			step(d, 2)["type"] = "linear"
			delete(step(d, 0), "matching_join")
		}, "steps[0].next", "never joined"},
		"join without inputs": {func(d doc) { step(d, 2)["join"] = false }, "steps[2].join", "must be true"},
		"matching join":       {func(d doc) { step(d, 0)["matching_join"] = "end" }, "steps[0].matching_join", `"join"`},
		"split parent":        {func(d doc) { step(d, 1)["split_parents"] = []any{"foo"} }, "steps[1].split_parents[0]", "foo"},
		"foreach var":         {func(d doc) { step(d, 0)["foreach_var"] = "a\x00" }, "steps[0].foreach_var", "NUL"},
		"retries":             {func(d doc) { step(d, 1)["retry"] = doc{"user_retries": -1} }, "steps[1].retry.user_retries", "-1"},
		"quantity":            {func(d doc) { step(d, 1)["resources"] = doc{"memory": "4 gigs"} }, "steps[1].resources.memory", "quantity"},
		"pull policy":         {func(d doc) { step(d, 1)["resources"] = doc{"image_pull_policy": "Maybe"} }, "steps[1].resources.image_pull_policy", "Maybe"},
		"claim path":          {func(d doc) { step(d, 1)["resources"] = doc{"persistent_volume_claims": doc{"c": "x"}} }, "steps[1].resources.persistent_volume_claims.c", "absolute"},
		"variable":            {func(d doc) { d["environment"] = doc{"A=B": "x"} }, "environment", "A=B"},
		"NUL":                 {func(d doc) { d["environment"] = doc{"A": "x\x00"} }, "environment.A", "NUL"},
		"parameter type":      {func(d doc) { param(d, 0)["type"] = "list" }, "parameters[0].type", "list"},
		"parameter default":   {func(d doc) { param(d, 1)["default"] = "x" }, "parameters[1].default", "int"},
		"no default":          {func(d doc) { delete(param(d, 0), "default") }, "parameters[0].default", "missing"},
		"reserved parameter":  {func(d doc) { param(d, 0)["name"] = "millrace_x" }, "parameters[0].name", "ours"},
		"parameter twice":     {func(d doc) { param(d, 1)["name"] = "alpha" }, "parameters[1].name", "twice"},
		"sha1":                {func(d doc) { d["code_package"].(doc)["sha1"] = "zz" }, "code_package.sha1", "40"},
		"sha256":              {func(d doc) { d["code_package"].(doc)["sha256"] = strings.Repeat("A", 64) }, "code_package.sha256", "64"},
		"size":                {func(d doc) { d["code_package"].(doc)["size"] = 0 }, "code_package.size", "positive"},
		"datastore":           {func(d doc) { d["datastore"].(doc)["type"] = "ftp" }, "datastore.type", "ftp"},
		"root":                {func(d doc) { d["datastore"].(doc)["root"] = "" }, "datastore.root", "missing"},
		"workers":             {func(d doc) { d["max_workers"] = 0 }, "max_workers", "0"},
		"splits":              {func(d doc) { d["max_splits"] = 1e9 }, "max_splits", "1000000"},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			var d doc
			if err := json.Unmarshal(golden(t), &d); err != nil {
				t.Fatal(err)
			}
			tt.edit(d)
			data, err := json.Marshal(d)
			if err != nil {
				t.Fatal(err)
			}
			_, err = Decode(data)
			fe, ok := errors.AsType[*FieldError](err)
			if !ok {
				t.Fatalf("got %v, want a FieldError", err)
			}
			if fe.Field != tt.field || !strings.Contains(fe.Error(), tt.want) {
				t.Errorf("got %v, want field %q and %q", fe, tt.field, tt.want)
			}
		})
	}
}

func TestDecodeRefusesDamage(t *testing.T) {
	good := golden(t)
	for name, data := range map[string][]byte{
		"empty":   nil,
		"cut":     good[:len(good)/2],
		"more":    append(append([]byte{}, good...), "{}"...),
		"array":   []byte("[]"),
		"null":    []byte("null"),
		"too big": make([]byte, MaxBytes+1),
	} {
		t.Run(name, func(t *testing.T) {
			if _, err := Decode(data); err == nil || !strings.HasPrefix(err.Error(), "flowdef: ") {
				t.Errorf("got %v", err)
			}
		})
	}
}

func FuzzDecode(f *testing.F) {
	good := golden(f)
	f.Add(good)
	for _, edit := range []struct{ from, to string }{
		{`"train"`, `"start"`},
		{`"join": true`, `"join": false`},
		{`"split-foreach"`, `"split-static"`},
		{`"end"`, `"train"`},
		{`"schema": 1`, `"schema": 1e3`},
	} {
		f.Add([]byte(strings.Replace(string(good), edit.from, edit.to, 1)))
	}
	f.Add([]byte(`{"schema":1}`))
	f.Fuzz(func(t *testing.T, data []byte) {
		d, err := Decode(data)
		if err != nil {
			if _, ok := errors.AsType[*FieldError](err); !ok {
				t.Fatalf("%T: %v", err, err)
			}
			return
		}
		if _, err := d.Frames(); err != nil {
			t.Fatalf("valid, but %v", err)
		}
		again, err := json.Marshal(d)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := Decode(again); err != nil {
			t.Fatalf("valid, but its encoding is not: %v", err)
		}
	})
}
