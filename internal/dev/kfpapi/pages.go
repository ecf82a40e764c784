package kfpapi

import (
	"encoding/json"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
)

const (
	defaultPage = 20
	maxPage     = 200
)

// listing answers the page the query asks for. Items come newest first; the
// only other order is oldest first.
func listing(query url.Values, key string, items []object) (object, error) {
	keep, err := filter(query.Get("filter"))
	if err != nil {
		return nil, err
	}
	items = slices.DeleteFunc(items, func(o object) bool { return !keep(o) })
	if sort := query.Get("sort_by"); sort != "" && !strings.HasSuffix(sort, "desc") {
		slices.Reverse(items)
	}
	size, from := defaultPage, 0
	if text := query.Get("page_size"); text != "" {
		if size, err = strconv.Atoi(text); err != nil || size < 0 {
			return nil, refuse(http.StatusBadRequest, "page_size %q is no size", text)
		}
		if size == 0 {
			size = defaultPage
		}
	}
	if text := query.Get("page_token"); text != "" {
		if from, err = strconv.Atoi(text); err != nil || from < 0 {
			return nil, refuse(http.StatusBadRequest, "page_token %q is none of ours", text)
		}
	}
	from = min(from, len(items))
	to := min(from+min(size, maxPage), len(items))
	out := object{}
	if len(items) > 0 {
		out["total_size"] = len(items)
	}
	if from < to {
		out[key] = items[from:to]
	}
	if to < len(items) {
		out["next_page_token"] = strconv.Itoa(to)
	}
	return out, nil
}

// filter reads KFP's filter of equalities over an object's own fields.
func filter(text string) (func(object) bool, error) {
	var f struct {
		Predicates []struct {
			Operation   string `json:"operation"`
			Key         string `json:"key"`
			StringValue string `json:"string_value"`
			CamelValue  string `json:"stringValue"`
		} `json:"predicates"`
	}
	if text != "" {
		if err := json.Unmarshal([]byte(text), &f); err != nil {
			return nil, refuse(http.StatusBadRequest, "filter: %v", err)
		}
	}
	for i, p := range f.Predicates {
		if p.StringValue == "" {
			f.Predicates[i].StringValue = p.CamelValue
		}
		switch p.Operation {
		case "EQUALS", "NOT_EQUALS", "IS_SUBSTRING":
		default:
			return nil, refuse(http.StatusBadRequest, "filter: operation %q is not served by the laptop stack", p.Operation)
		}
	}
	return func(o object) bool {
		for _, p := range f.Predicates {
			value, _ := o[p.Key].(string)
			if p.Key == "name" && value == "" {
				value, _ = o["display_name"].(string)
			}
			switch {
			case p.Operation == "EQUALS" && value != p.StringValue,
				p.Operation == "NOT_EQUALS" && value == p.StringValue,
				p.Operation == "IS_SUBSTRING" && !strings.Contains(value, p.StringValue):
				return false
			}
		}
		return true
	}, nil
}
