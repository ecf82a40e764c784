package tasksocket

import (
	"bytes"
	"encoding/binary"
	"testing"

	"github.com/millrace/millrace/internal/objstore"
)

func FuzzFrame(f *testing.F) {
	f.Add([]byte{})
	f.Add([]byte{0, 0})
	f.Add([]byte{0, 0, 0, 0})
	f.Add([]byte{0, 0, 0, 2, '{', '}', 0, 0, 0, 1, '1'})
	f.Add([]byte{0, 0, 0, 9, '{', '}'})
	f.Add(binary.BigEndian.AppendUint32(nil, maxFrame+1))
	f.Fuzz(func(t *testing.T, stream []byte) {
		r := bytes.NewReader(stream)
		var again bytes.Buffer
		for {
			body, err := readFrame(r)
			if err != nil {
				break
			}
			if err := writeFrame(&again, body); err != nil {
				t.Fatal(err)
			}
		}
		if !bytes.HasPrefix(stream, again.Bytes()) {
			t.Errorf("%x was read as %x", stream, again.Bytes())
		}
	})
}

func FuzzRequest(f *testing.F) {
	for _, seed := range []string{
		`{"op":"hello","protocol":1,"pid":7,"shim":"0.1.0"}`,
		`{"op":"save","type":"s3","root":"s3://b","overwrite":true,"items":[{"path":"F/kfp-1/train/t-0/1.data.json","meta":null,"data":"e30="}]}`,
		`{"op":"save","items":[{"path":"F/data/ab/abcd","meta":{"cas_raw":false,"cas_version":1},"file":"/spool/../x"}]}`,
		`{"op":"transition","attempt":1,"task_ok":true,"next":["a"],"num_splits":3,"gang_size":0}`,
		`{"op":"metadata","method":"GET","path":"/flows/F","body":null}`,
		`{"op":"load","paths":["a/../b","F/kfp-1/s/t/99999999999999999999.data.json"]}`,
		`[]`, `null`, `{"op":1}`,
	} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, body []byte) {
		r, err := parseRequest(body)
		if err != nil {
			if class(err) != "invalid" {
				t.Errorf("%q is answered as %s", body, class(err))
			}
			return
		}
		for _, i := range r.Items {
			i.isRaw()
			isContent(i.Path)
			isAttemptFile(i.Path)
			if scope1.mayWrite(i.Path) == nil && objstore.CheckKey(i.Path) != nil {
				t.Errorf("%q may be written and is no key", i.Path)
			}
		}
	})
}

// What is read back from the store may have been written by anyone.
func FuzzLeft(f *testing.F) {
	f.Add([]byte(`{"version":1,"attempt":0,"task_ok":true,"next":["work"],"num_splits":3,"gang_size":0}`))
	f.Add([]byte(`{"version":1,"next":[""],"num_splits":-1}`))
	f.Add([]byte(goodData))
	f.Add([]byte(`{"objects":{"_task_ok":null}}`))
	f.Add([]byte(`{"objects":[]}`))
	f.Add([]byte(`nope`))
	f.Add([]byte(`{"attempt":1,"objects":{"x":"868436778cb011a1c6230bc12534683ab0b7f1c3"},"info":{"x":{"encoding":"pickle-v4"}}}`))
	f.Add([]byte(`{"attempt":1,"objects":{"":null},"info":[]}`))
	f.Fuzz(func(t *testing.T, body []byte) {
		if told, err := parseTransition(body); err == nil && (told.NumSplits < 0 || told.GangSize < 0 || told.Version != recordVersion) {
			t.Errorf("%q was read as %+v", body, told)
		}
		if ok, err := taskOKOf(objstore.Bytes(body)); err == nil && ok != nil && (!*ok || !bytes.Contains(body, []byte("_task_ok")) && !bytes.Contains(body, []byte(`\u`))) {
			t.Errorf("%q says that the task went well", body)
		}
		found, err := parseArtifacts(body, 1)
		for _, a := range found {
			if err != nil || a.check() != nil {
				t.Errorf("%q was read as %+v, %v", body, a, err)
			}
		}
	})
}
