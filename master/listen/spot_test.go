package listen

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/pinion-proxy/pinion/master/config"
	"github.com/pinion-proxy/pinion/worker/sock"
)

// The path may belong to a successor by the time the predecessor ends.
func TestUnlinkOwnOnly(t *testing.T) {
	path := filepath.Join(t.TempDir(), "s")
	l := config.Listen{Network: "unix", Address: path}
	first, err := Bind(l, nil, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer sock.Close(first.FD)
	if err := os.Rename(path, path+".old"); err != nil { // its inode must not be used again
		t.Fatal(err)
	}
	second, err := Bind(l, nil, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer sock.Close(second.FD)
	first.Unlink()
	if _, err := os.Lstat(path); err != nil {
		t.Errorf("the second socket after the end of the first: %v", err)
	}
	second.Unlink()
	if _, err := os.Lstat(path); !os.IsNotExist(err) {
		t.Errorf("the second socket after its own end: %v", err)
	}
}
