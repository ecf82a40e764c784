package metadataservice

import (
	"context"
	"database/sql"
	"encoding/json"
	"errors"
	"strings"
)

// row is one object in a reply.
type row map[string]any

// path names an object or a collection; empty parts are not given.
type path struct{ flow, run, step, task string }

func jsonList(text sql.NullString) any {
	var list []string
	if !text.Valid || json.Unmarshal([]byte(text.String), &list) != nil {
		return nil
	}
	return list
}

func orNil[T any](v T, valid bool) any {
	if !valid {
		return nil
	}
	return v
}

// number gives an all-digit id back as a number, as the service does for the
// ids it made itself.
func number(id string) any {
	if isNumeric(id) {
		return json.Number(id)
	}
	return id
}

func isNumeric(id string) bool {
	return id != "" && strings.Trim(id, "0123456789") == ""
}

// collect reads all rows by scan.
func collect(rows *sql.Rows, err error, scan func(*sql.Rows) (row, error)) ([]row, error) {
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	all := []row{}
	for rows.Next() {
		r, err := scan(rows)
		if err != nil {
			return nil, err
		}
		all = append(all, r)
	}
	return all, rows.Err()
}

// where makes the condition for the given parts of the path, each column
// prefixed by the table's alias.
func (p path) where(alias string) (string, []any) {
	conds, args := []string{}, []any{}
	for _, part := range []struct{ column, value string }{
		{"flow_id", p.flow},
		{"run_id", p.run},
		{"step_name", p.step},
		{"task_id", p.task},
	} {
		if part.value != "" {
			conds, args = append(conds, alias+"."+part.column+" = ?"), append(args, part.value)
		}
	}
	if len(conds) == 0 {
		return "1 = 1", nil
	}
	return strings.Join(conds, " AND "), args
}

func flows(ctx context.Context, q querier, p path) ([]row, error) {
	cond, args := p.where("f")
	rows, err := q.QueryContext(ctx, `SELECT flow_id, user_name, ts_epoch, tags, system_tags FROM flows f WHERE `+cond+` ORDER BY ts_epoch DESC`, args...)
	return collect(rows, err, func(rows *sql.Rows) (row, error) {
		var flow string
		var user, tags, system sql.NullString
		var ts int64
		err := rows.Scan(&flow, &user, &ts, &tags, &system)
		return row{"flow_id": flow, "user_name": orNil(user.String, user.Valid), "ts_epoch": ts, "tags": jsonList(tags), "system_tags": jsonList(system)}, err
	})
}

func runs(ctx context.Context, q querier, p path) ([]row, error) {
	cond, args := p.where("r")
	rows, err := q.QueryContext(ctx, `SELECT flow_id, run_id, user_name, ts_epoch, tags, system_tags, last_heartbeat_ts FROM runs r WHERE `+cond+` ORDER BY ts_epoch DESC, rowid DESC`, args...)
	return collect(rows, err, func(rows *sql.Rows) (row, error) {
		var flow, run string
		var user, tags, system sql.NullString
		var ts int64
		var beat sql.NullInt64
		err := rows.Scan(&flow, &run, &user, &ts, &tags, &system, &beat)
		return row{
			"flow_id": flow, "run_number": number(run), "user_name": orNil(user.String, user.Valid), "ts_epoch": ts,
			"tags": jsonList(tags), "system_tags": jsonList(system), "last_heartbeat_ts": orNil(beat.Int64, beat.Valid),
		}, err
	})
}

func steps(ctx context.Context, q querier, p path) ([]row, error) {
	cond, args := p.where("s")
	rows, err := q.QueryContext(ctx, `SELECT s.flow_id, s.run_id, s.step_name, s.user_name, s.ts_epoch, r.tags, r.system_tags
		FROM steps s JOIN runs r USING (flow_id, run_id) WHERE `+cond+` ORDER BY s.ts_epoch, s.rowid`, args...)
	return collect(rows, err, func(rows *sql.Rows) (row, error) {
		var flow, run, step string
		var user, tags, system sql.NullString
		var ts int64
		err := rows.Scan(&flow, &run, &step, &user, &ts, &tags, &system)
		return row{
			"flow_id": flow, "run_number": number(run), "step_name": step, "user_name": orNil(user.String, user.Valid), "ts_epoch": ts,
			"tags": jsonList(tags), "system_tags": jsonList(system),
		}, err
	})
}

func tasks(ctx context.Context, q querier, p path) ([]row, error) {
	cond, args := p.where("t")
	rows, err := q.QueryContext(ctx, `SELECT t.flow_id, t.run_id, t.step_name, t.task_id, t.user_name, t.ts_epoch, r.tags, r.system_tags, t.last_heartbeat_ts
		FROM tasks t JOIN runs r USING (flow_id, run_id) WHERE `+cond+` ORDER BY t.seq`, args...)
	return collect(rows, err, func(rows *sql.Rows) (row, error) {
		var flow, run, step, task string
		var user, tags, system sql.NullString
		var ts int64
		var beat sql.NullInt64
		err := rows.Scan(&flow, &run, &step, &task, &user, &ts, &tags, &system, &beat)
		return row{
			"flow_id": flow, "run_number": number(run), "step_name": step, "task_id": number(task), "user_name": orNil(user.String, user.Valid),
			"ts_epoch": ts, "tags": jsonList(tags), "system_tags": jsonList(system), "last_heartbeat_ts": orNil(beat.Int64, beat.Valid),
		}, err
	})
}

func metadata(ctx context.Context, q querier, p path) ([]row, error) {
	cond, args := p.where("m")
	rows, err := q.QueryContext(ctx, `SELECT id, flow_id, run_id, step_name, task_id, field_name, value, type, user_name, ts_epoch, tags, system_tags
		FROM metadata m WHERE `+cond+` ORDER BY id DESC`, args...)
	return collect(rows, err, func(rows *sql.Rows) (row, error) {
		var id, ts int64
		var flow, run, step, task, field, value string
		var kind, user, tags, system sql.NullString
		err := rows.Scan(&id, &flow, &run, &step, &task, &field, &value, &kind, &user, &ts, &tags, &system)
		return row{
			"id": id, "flow_id": flow, "run_number": number(run), "step_name": step, "task_id": number(task), "field_name": field, "value": value,
			"type": orNil(kind.String, kind.Valid), "user_name": orNil(user.String, user.Valid), "ts_epoch": ts, "tags": jsonList(tags), "system_tags": jsonList(system),
		}, err
	})
}

// latestAttempt restricts artifacts to their task's newest attempt, which the
// service finds through the artifact called `name`.
const latestAttempt = ` AND a.attempt_id = (SELECT MAX(n.attempt_id) FROM artifacts n WHERE n.flow_id = a.flow_id AND n.run_id = a.run_id
	AND n.step_name = a.step_name AND n.task_id = a.task_id AND n.name = 'name')`

// artifacts selects by path and, when given, by name and attempt; without an
// attempt (attempt < 0) only the latest of each task.
func artifacts(ctx context.Context, q querier, p path, name string, attempt int) ([]row, error) {
	cond, args := p.where("a")
	if name != "" {
		cond, args = cond+" AND a.name = ?", append(args, name)
	}
	if attempt >= 0 {
		cond, args = cond+" AND a.attempt_id = ?", append(args, attempt)
	} else {
		cond += latestAttempt
	}
	rows, err := q.QueryContext(ctx, `SELECT a.flow_id, a.run_id, a.step_name, a.task_id, a.attempt_id, a.name, a.location, a.ds_type, a.sha, a.type, a.content_type,
		a.user_name, a.ts_epoch, r.tags, r.system_tags FROM artifacts a JOIN runs r USING (flow_id, run_id) WHERE `+cond+` ORDER BY a.ts_epoch, a.name`, args...)
	return collect(rows, err, func(rows *sql.Rows) (row, error) {
		var flow, run, step, task, name string
		var location, dsType, sha, kind, content, user, tags, system sql.NullString
		var n, ts int64
		err := rows.Scan(&flow, &run, &step, &task, &n, &name, &location, &dsType, &sha, &kind, &content, &user, &ts, &tags, &system)
		return row{
			"flow_id": flow, "run_number": number(run), "step_name": step, "task_id": number(task), "attempt_id": n, "name": name,
			"location": orNil(location.String, location.Valid), "ds_type": orNil(dsType.String, dsType.Valid), "sha": orNil(sha.String, sha.Valid),
			"type": orNil(kind.String, kind.Valid), "content_type": orNil(content.String, content.Valid), "user_name": orNil(user.String, user.Valid),
			"ts_epoch": ts, "tags": jsonList(tags), "system_tags": jsonList(system),
		}, err
	})
}

// one narrows a selection to its single row.
func one(all []row, err error) (row, error) {
	if err == nil && len(all) == 0 {
		err = errNotFound
	}
	if err != nil {
		return nil, err
	}
	return all[0], nil
}

func isMissing(err error) bool { return errors.Is(err, errNotFound) || errors.Is(err, sql.ErrNoRows) }
