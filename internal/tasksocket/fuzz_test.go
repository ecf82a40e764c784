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
