package kfpapi

import (
	"github.com/millrace/millrace/internal/dev/interp"
)

// runObject is a run as the API shows it; a listing leaves the tasks out.
func runObject(v interp.View, details bool) object {
	m := metaOf(v)
	storage := "AVAILABLE"
	if m.Archived {
		storage = "ARCHIVED"
	}
	o := object{
		"run_id": v.ID, "display_name": v.Name, "experiment_id": m.ExperimentID, "state": v.State, "storage_state": storage,
		"created_at": rfc3339(v.Created), "scheduled_at": rfc3339(v.Created), "finished_at": rfc3339(v.Ended),
		"state_history": history(v),
	}
	o.put("description", m.Description).put("service_account", m.ServiceAccount)
	if m.PipelineID != "" {
		o["pipeline_version_reference"] = object{"pipeline_id": m.PipelineID}.put("pipeline_version_id", m.VersionID)
	}
	if len(v.Args) > 0 {
		o["runtime_config"] = object{"parameters": v.Args}
	}
	if v.Message != "" {
		o["error"] = object{"code": 2, "message": v.Message}
	}
	if details {
		tasks := []object{}
		for _, t := range v.Tasks {
			tasks = append(tasks, taskObject(v, t))
		}
		o["run_details"] = object{"task_details": tasks}
	}
	return o
}

func history(v interp.View) []object {
	out := []object{{"update_time": rfc3339(v.Created), "state": "RUNNING"}}
	if !v.Ended.IsZero() {
		out = append(out, object{"update_time": rfc3339(v.Ended), "state": v.State})
	}
	return out
}

func taskObject(v interp.View, t interp.TaskView) object {
	o := object{
		"run_id": v.ID, "task_id": t.ID, "display_name": t.Task, "state": t.State,
		"create_time": rfc3339(t.Created), "start_time": rfc3339(t.Started), "end_time": rfc3339(t.Ended),
	}
	o.put("pod_name", t.PodName)
	if t.Message != "" && t.State == "FAILED" {
		o["error"] = object{"code": 2, "message": t.Message}
	}
	var children []object
	for _, id := range t.Children {
		children = append(children, object{"task_id": id})
	}
	if children != nil {
		o["child_tasks"] = children
	}
	return o
}
