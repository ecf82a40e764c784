package metadataservice

import (
	"context"
	"database/sql"
	"encoding/json"
	"fmt"
	"slices"
	"strings"
)

// object is the body of a create request; fields that do not apply are empty.
// run_number and task_id may be absent (the service numbers the object), text,
// or a number, which is refused as the real service's database refuses it.
type object struct {
	RunNumber  json.RawMessage `json:"run_number"`
	TaskID     json.RawMessage `json:"task_id"`
	UserName   *string         `json:"user_name"`
	Tags       []string        `json:"tags"`
	SystemTags []string        `json:"system_tags"`
}

// textID reads an id of a create request: "" when absent.
func textID(field string, raw json.RawMessage) (string, error) {
	if len(raw) == 0 || string(raw) == "null" {
		return "", nil
	}
	var id string
	if err := json.Unmarshal(raw, &id); err != nil {
		return "", fmt.Errorf("%s: want a string, got %.40s", field, raw)
	}
	if isNumeric(id) {
		return "", fmt.Errorf("%s: %q is a number; ids that the client gives must not be", field, id)
	}
	return id, nil
}

func jsonText(list []string) string {
	if list == nil {
		list = []string{}
	}
	text, _ := json.Marshal(list) // strings always marshal
	return string(text)
}

// beats says whether a create stamps last_heartbeat_ts: clients from 2.2.12
// on announce that they beat.
func beats(systemTags []string) bool {
	return slices.ContainsFunc(systemTags, func(t string) bool { return strings.HasPrefix(t, "metaflow_version:") })
}

func (s *Service) createFlow(ctx context.Context, flow string, o object) (row, error) {
	var made row
	err := s.inTx(ctx, func(tx *sql.Tx) error {
		err := insert(ctx, tx, `INSERT INTO flows VALUES (?, ?, ?, ?, ?) ON CONFLICT DO NOTHING`,
			flow, o.UserName, s.now().UnixMilli(), jsonText(o.Tags), jsonText(o.SystemTags))
		if err != nil {
			return err
		}
		made, err = one(flows(ctx, tx, path{flow: flow}))
		return err
	})
	return made, err
}

func (s *Service) createRun(ctx context.Context, flow, run string, o object) (row, error) {
	var made row
	err := s.inTx(ctx, func(tx *sql.Tx) error {
		if _, err := one(flows(ctx, tx, path{flow: flow})); err != nil {
			return err
		}
		if run == "" {
			n, err := nextNumber(ctx, tx, "run")
			if err != nil {
				return err
			}
			run = fmt.Sprint(n)
		}
		err := insert(ctx, tx, `INSERT INTO runs VALUES (?, ?, ?, ?, ?, ?, ?) ON CONFLICT DO NOTHING`,
			flow, run, o.UserName, s.now().UnixMilli(), jsonText(o.Tags), jsonText(o.SystemTags), s.beat(o))
		if err != nil {
			return err
		}
		made, err = one(runs(ctx, tx, path{flow: flow, run: run}))
		return err
	})
	return made, err
}

func (s *Service) beat(o object) any {
	if beats(o.SystemTags) {
		return s.now().Unix()
	}
	return nil
}

func (s *Service) createStep(ctx context.Context, p path, o object) (row, error) {
	var made row
	err := s.inTx(ctx, func(tx *sql.Tx) error {
		if _, err := one(runs(ctx, tx, path{flow: p.flow, run: p.run})); err != nil {
			return err
		}
		err := insert(ctx, tx, `INSERT INTO steps VALUES (?, ?, ?, ?, ?) ON CONFLICT DO NOTHING`,
			p.flow, p.run, p.step, o.UserName, s.now().UnixMilli())
		if err != nil {
			return err
		}
		made, err = one(steps(ctx, tx, p))
		return err
	})
	return made, err
}

func (s *Service) createTask(ctx context.Context, p path, o object) (row, error) {
	var made row
	err := s.inTx(ctx, func(tx *sql.Tx) error {
		if _, err := one(steps(ctx, tx, path{flow: p.flow, run: p.run, step: p.step})); err != nil {
			return err
		}
		if p.task == "" {
			n, err := nextNumber(ctx, tx, "task")
			if err != nil {
				return err
			}
			p.task = fmt.Sprint(n)
		}
		err := insert(ctx, tx, `INSERT INTO tasks (flow_id, run_id, step_name, task_id, user_name, ts_epoch, last_heartbeat_ts)
			VALUES (?, ?, ?, ?, ?, ?, ?) ON CONFLICT DO NOTHING`, p.flow, p.run, p.step, p.task, o.UserName, s.now().UnixMilli(), s.beat(o))
		if err != nil {
			return err
		}
		made, err = one(tasks(ctx, tx, p))
		return err
	})
	return made, err
}

// metadatum is one row of a metadata post.
type metadatum struct {
	FieldName string          `json:"field_name"`
	Value     json.RawMessage `json:"value"`
	Type      *string         `json:"type"`
	UserName  *string         `json:"user_name"`
	Tags      []string        `json:"tags"`
}

// text is the value as the service's TEXT column holds it: a list becomes an
// array literal, everything else its own text.
func (m metadatum) text() string {
	var s string
	if json.Unmarshal(m.Value, &s) == nil {
		return s
	}
	var list []string
	if json.Unmarshal(m.Value, &list) == nil {
		return "{" + strings.Join(list, ",") + "}"
	}
	return string(m.Value)
}

func (s *Service) addMetadata(ctx context.Context, p path, all []metadatum) error {
	return s.inTx(ctx, func(tx *sql.Tx) error {
		if _, err := one(tasks(ctx, tx, p)); err != nil {
			return err
		}
		for _, m := range all {
			if _, err := tx.ExecContext(ctx, `INSERT INTO metadata (flow_id, run_id, step_name, task_id, field_name, value, type, user_name, ts_epoch, tags)
				VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)`, p.flow, p.run, p.step, p.task, m.FieldName, m.text(), m.Type, m.UserName,
				s.now().UnixMilli(), jsonText(m.Tags)); err != nil {
				return err
			}
		}
		return nil
	})
}

// artifact is one row of an artifact post.
type artifact struct {
	Name        string  `json:"name"`
	AttemptID   int     `json:"attempt_id"`
	Location    *string `json:"location"`
	DSType      *string `json:"ds_type"`
	SHA         *string `json:"sha"`
	Type        *string `json:"type"`
	ContentType *string `json:"content_type"`
	UserName    *string `json:"user_name"`
}

// addArtifacts returns how many rows were new; doubles are skipped silently.
func (s *Service) addArtifacts(ctx context.Context, p path, all []artifact) (made int64, err error) {
	err = s.inTx(ctx, func(tx *sql.Tx) error {
		if _, err := one(tasks(ctx, tx, p)); err != nil {
			return err
		}
		for _, a := range all {
			res, err := tx.ExecContext(ctx, `INSERT INTO artifacts VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?) ON CONFLICT DO NOTHING`,
				p.flow, p.run, p.step, p.task, a.AttemptID, a.Name, a.Location, a.DSType, a.SHA, a.Type, a.ContentType, a.UserName, s.now().UnixMilli())
			if err != nil {
				return err
			}
			n, err := res.RowsAffected()
			if err != nil {
				return err
			}
			made += n
		}
		return nil
	})
	return made, err
}

// heartbeat stamps the run, and the task when the path names one.
func (s *Service) heartbeat(ctx context.Context, p path) error {
	return s.inTx(ctx, func(tx *sql.Tx) error {
		now := s.now().Unix()
		if p.task != "" {
			if err := stamp(ctx, tx, `UPDATE tasks SET last_heartbeat_ts = ? WHERE flow_id = ? AND run_id = ? AND step_name = ? AND task_id = ?`,
				now, p.flow, p.run, p.step, p.task); err != nil {
				return err
			}
		}
		return stamp(ctx, tx, `UPDATE runs SET last_heartbeat_ts = ? WHERE flow_id = ? AND run_id = ?`, now, p.flow, p.run)
	})
}

func stamp(ctx context.Context, tx *sql.Tx, query string, args ...any) error {
	res, err := tx.ExecContext(ctx, query, args...)
	if err != nil {
		return err
	}
	if n, err := res.RowsAffected(); err != nil || n == 0 {
		return errNotFound
	}
	return nil
}

// mutateTags removes, then adds, user tags of a run and returns what is left.
func (s *Service) mutateTags(ctx context.Context, p path, add, remove []string) ([]string, error) {
	var next []string
	err := s.inTx(ctx, func(tx *sql.Tx) error {
		run, err := one(runs(ctx, tx, p))
		if err != nil {
			return err
		}
		user, _ := run["tags"].([]string)
		system, _ := run["system_tags"].([]string)
		for _, tag := range remove {
			if slices.Contains(system, tag) {
				return errSystemTag
			}
		}
		for _, tag := range append(slices.Clone(user), add...) {
			removed := slices.Contains(remove, tag) && !slices.Contains(add, tag)
			if !removed && !slices.Contains(system, tag) && !slices.Contains(next, tag) {
				next = append(next, tag)
			}
		}
		return stamp(ctx, tx, `UPDATE runs SET tags = ? WHERE flow_id = ? AND run_id = ?`, jsonText(next), p.flow, p.run)
	})
	return next, err
}
