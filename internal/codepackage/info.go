package codepackage

import (
	"encoding/json"
	"errors"
	"fmt"
	"path"
	"slices"
	"strings"
)

// packageName is what the shim is called among the packages of extensions.
const packageName = "millrace-runtime"

// extension describes one in INFO, in the words of Metaflow.
type extension struct {
	RootPaths      *string  `json:"root_paths"`
	MetaModule     *string  `json:"meta_module"`
	Files          []string `json:"files"`
	FullPathFiles  *string  `json:"full_path_files"`
	Version        string   `json:"version"`
	PackageVersion string   `json:"package_version"`
	ExtensionName  string   `json:"extension_name"`
}

// addExtension adds the shim, whose files are given, to INFO's
//
//	"ext_info": [{package: {...}}, {extension point: [[package, folder, module], ...]}]
//
// last in each list, the order in which Metaflow loads them. Everything else
// in INFO stays as it is; INFO comes without ext_info where Metaflow is to
// look for extensions itself, and that stays so too.
func addExtension(info []byte, files []string) ([]byte, error) {
	var fields map[string]json.RawMessage
	if err := json.Unmarshal(info, &fields); err != nil {
		return nil, fmt.Errorf("not a JSON object: %w", err)
	}
	raw, ok := fields["ext_info"]
	if !ok {
		return info, nil
	}
	var pair []json.RawMessage
	if err := json.Unmarshal(raw, &pair); err != nil {
		return nil, fmt.Errorf("ext_info: %w", err)
	}
	if len(pair) != 2 {
		return nil, fmt.Errorf("ext_info has %d parts, not 2", len(pair))
	}
	var packages map[string]json.RawMessage
	var points map[string][]json.RawMessage
	if err := json.Unmarshal(pair[0], &packages); err != nil {
		return nil, fmt.Errorf("ext_info: packages: %w", err)
	}
	if err := json.Unmarshal(pair[1], &points); err != nil {
		return nil, fmt.Errorf("ext_info: extension points: %w", err)
	}
	if packages == nil || points == nil { // null: as if ext_info were not there
		return info, nil
	}
	name := freeName(packages)
	var err error
	packages[name], err = json.Marshal(extension{
		Files: files, Version: "_local_", PackageVersion: "<unk>", ExtensionName: "<unk>",
	})
	if err != nil {
		return nil, err
	}
	if err := addPoints(points, name, files); err != nil {
		return nil, fmt.Errorf("ext_info: extension points: %w", err)
	}
	if fields["ext_info"], err = json.Marshal([]any{packages, points}); err != nil {
		return nil, err
	}
	return json.Marshal(fields)
}

// freeName finds a name for the shim's package. It is one that could be
// installed: Metaflow tells uv not to install the packages it finds here, and
// uv refuses names such as Metaflow's own _pythonpath_0.
func freeName(packages map[string]json.RawMessage) string {
	name := packageName
	for i := 1; ; i++ {
		if _, taken := packages[name]; !taken {
			return name
		}
		name = fmt.Sprintf("%s-%d", packageName, i)
	}
}

// addPoints lists the modules among the files that extend a point: those
// called <point>/mfextinit_<name>.py.
func addPoints(points map[string][]json.RawMessage, name string, files []string) error {
	for point, list := range points {
		kept := []json.RawMessage{} // never nil: Metaflow cannot read null
		for _, item := range list {
			var triple []json.RawMessage
			if err := json.Unmarshal(item, &triple); err != nil {
				return fmt.Errorf("%s: %w", point, err)
			}
			var folder string
			if len(triple) != 3 || json.Unmarshal(triple[1], &folder) != nil {
				return fmt.Errorf("%s: %s is not package, folder, module", point, shorten(string(item)))
			}
			if folder != shimName { // one that was packed with the flow
				kept = append(kept, item)
			}
		}
		points[point] = kept
	}
	added := false
	for _, file := range files {
		dir, base := path.Split(file)
		if !strings.HasPrefix(base, "mfextinit_") {
			continue
		}
		parts := strings.Split(strings.TrimSuffix(dir, "/"), "/")
		module := strings.Join(slices.Concat([]string{"metaflow_extensions"}, parts, []string{strings.TrimSuffix(base, ".py")}), ".")
		item, err := json.Marshal([]string{name, shimName, module})
		if err != nil {
			return err
		}
		point := strings.Join(parts[1:], ".")
		points[point] = append(points[point], item)
		added = true
	}
	if !added {
		return errors.New("the shim extends nothing; this launcher was built without it")
	}
	return nil
}
