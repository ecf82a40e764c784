package gcs

import (
	"context"
	"encoding/json"
	"encoding/xml"
	"fmt"
	"io"
	"net/http"
	"strings"
)

// answerError is a server's answer that is none to what was asked.
type answerError struct {
	answer       *http.Response
	status       int
	reason, text string
}

func (e *answerError) Error() string {
	told := strings.TrimSpace(fmt.Sprintf("HTTP %d %s", e.status, e.reason))
	if e.text != "" {
		told += ": " + e.text
	}
	return told
}

const longestAnswer = 64 << 20

// do sends a request and returns its answer when that is a success, or one of
// the other statuses that are expected. The body is the caller's to close.
func (c *client) do(request *http.Request, expected ...int) (*http.Response, error) {
	// The answer is what is stored: no packing on the way, no unpacking here.
	request.Header.Set("Accept-Encoding", "gzip")
	answer, err := c.http.Do(request)
	if err != nil {
		return nil, err
	}
	if answer.StatusCode >= 200 && answer.StatusCode < 300 {
		return answer, nil
	}
	for _, status := range expected {
		if answer.StatusCode == status {
			return answer, nil
		}
	}
	defer answer.Body.Close()
	body, _ := io.ReadAll(io.LimitReader(answer.Body, 64<<10))
	return nil, refusal(answer, body)
}

// refusal reads why a server refuses, as either of its protocols tells it.
func refusal(answer *http.Response, body []byte) *answerError {
	e := &answerError{answer: answer, status: answer.StatusCode}
	var asJSON struct {
		Error struct {
			Message string
			Errors  []struct{ Reason string }
		}
	}
	var asXML struct{ Code, Message string }
	switch {
	case json.Unmarshal(body, &asJSON) == nil:
		e.text = asJSON.Error.Message
		if len(asJSON.Error.Errors) > 0 {
			e.reason = asJSON.Error.Errors[0].Reason
		}
	case xml.Unmarshal(body, &asXML) == nil:
		e.reason, e.text = asXML.Code, asXML.Message
	}
	return e
}

// ask sends a request that has no body and decodes its answer into a value, if
// there is one.
func (c *client) ask(ctx context.Context, method, path string, into any) error {
	request, err := http.NewRequestWithContext(ctx, method, c.base+path, http.NoBody)
	if err != nil {
		return err
	}
	answer, err := c.do(request)
	if err != nil {
		return err
	}
	defer answer.Body.Close()
	if into == nil {
		return nil
	}
	if err := json.NewDecoder(io.LimitReader(answer.Body, longestAnswer)).Decode(into); err != nil {
		return fmt.Errorf("%w: reading the answer: %w", errBrokeOff, err)
	}
	return nil
}
