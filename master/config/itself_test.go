// A configuration that names itself.

package config

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

func TestLogIntoTheConfiguration(t *testing.T) {
	path := filepath.Join(t.TempDir(), "pinion.yml")
	text := "global:\n  log_file: " + path + "\na:\n  listen: 127.0.0.1:1\n  redis: true\n  servers: [127.0.0.1:2:1]\n"
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := Load(path); err == nil || !strings.Contains(err.Error(), ":2:3: log_file is this very file") {
		t.Errorf("%v", err)
	}
}
