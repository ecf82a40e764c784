package driver

import (
	"crypto/sha256"
	"encoding/hex"
	"os"
	"testing"

	"github.com/millrace/millrace/internal/kfp/kfptest"
)

func TestDeployed(t *testing.T) {
	server := kfptest.New(t)
	sh := newShell(t, server)
	def := definition(t)
	sh.fails("deploy the flow first", "deployed", "--pipeline", "some")
	var made deployReport
	sh.ok(&made, "deploy", "--definition", def, "--definition-url", "/r/def", "--json")
	raw, err := os.ReadFile(def)
	if err != nil {
		t.Fatal(err)
	}
	sum := sha256.Sum256(raw)
	var got deployedReport
	sh.ok(&got, "deployed", "--pipeline", "some", "--json")
	want := deployedReport{
		Pipeline: "some", Version: made.Version, VersionID: made.VersionID, URL: made.URL,
		DefinitionURL: "/r/def", DefinitionSHA256: hex.EncodeToString(sum[:]),
	}
	if got != want {
		t.Errorf("got %+v, want %+v", got, want)
	}
	sh.fails("--pipeline is missing", "deployed")
	sh.fails(`no version "v9"`, "deployed", "--pipeline", "some", "--version", "v9")
}
