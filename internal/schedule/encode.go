package schedule

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
)

type envelope struct {
	V    int             `json:"v"`
	Kind string          `json:"kind"`
	Body json.RawMessage `json:"body"`
}

// EncodeRecord returns the record as JSON: {"v":1,"kind":"...","body":{...}}.
func EncodeRecord(rec Record) ([]byte, error) {
	body, err := json.Marshal(rec)
	if err != nil {
		return nil, fmt.Errorf("schedule: encode %s record: %w", rec.Kind(), err)
	}
	out := make([]byte, 0, len(body)+48)
	out = fmt.Appendf(out, `{"v":%d,"kind":%q,"body":`, RecordVersion, rec.Kind())
	out = append(out, body...)
	return append(out, '}'), nil
}

// DecodeRecord reads what EncodeRecord wrote. Another version, an unknown
// kind or an unknown field is an error: the record was written by a driver
// that knew more than this one.
func DecodeRecord(data []byte) (Record, error) {
	var env envelope
	if err := strict(data, &env); err != nil {
		return nil, fmt.Errorf("schedule: decode record: %w", err)
	}
	if env.V != RecordVersion {
		return nil, fmt.Errorf("schedule: decode record: version %d, this build reads %d: run the driver that wrote it", env.V, RecordVersion)
	}
	rec, err := decodeBody(env.Kind, env.Body)
	if err != nil {
		return nil, fmt.Errorf("schedule: decode record of kind %q: %w", env.Kind, err)
	}
	return rec, nil
}

func decodeBody(kind string, body []byte) (Record, error) {
	switch kind {
	case RunOpenedRecord{}.Kind():
		return decodeAs[RunOpenedRecord](body)
	case ParametersGiven{}.Kind():
		return decodeAs[ParametersGiven](body)
	case WorkerJoined{}.Kind():
		return decodeAs[WorkerJoined](body)
	case IncarnationGone{}.Kind():
		return decodeAs[IncarnationGone](body)
	case GateJoined{}.Kind():
		return decodeAs[GateJoined](body)
	case LeaseGranted{}.Kind():
		return decodeAs[LeaseGranted](body)
	case LeaseEnded{}.Kind():
		return decodeAs[LeaseEnded](body)
	case AttemptBegun{}.Kind():
		return decodeAs[AttemptBegun](body)
	case AttemptSucceeded{}.Kind():
		return decodeAs[AttemptSucceeded](body)
	case AttemptFailed{}.Kind():
		return decodeAs[AttemptFailed](body)
	case RoundEnded{}.Kind():
		return decodeAs[RoundEnded](body)
	case TaskGivenUp{}.Kind():
		return decodeAs[TaskGivenUp](body)
	case TaskContinued{}.Kind():
		return decodeAs[TaskContinued](body)
	case RunEnded{}.Kind():
		return decodeAs[RunEnded](body)
	case ExitChosen{}.Kind():
		return decodeAs[ExitChosen](body)
	case RunClosed{}.Kind():
		return decodeAs[RunClosed](body)
	case RunReopened{}.Kind():
		return decodeAs[RunReopened](body)
	default:
		return nil, fmt.Errorf("unknown kind")
	}
}

func decodeAs[R Record](body []byte) (Record, error) {
	var rec R
	if err := strict(body, &rec); err != nil {
		return nil, err
	}
	return rec, nil
}

func strict(data []byte, v any) error {
	dec := json.NewDecoder(bytes.NewReader(data))
	dec.DisallowUnknownFields()
	if err := dec.Decode(v); err != nil {
		return err
	}
	if _, err := dec.Token(); err != io.EOF {
		return fmt.Errorf("data after the document")
	}
	return nil
}
