// An upgrade after which the process of the old master does not seem to end, as when the kernel takes long to take it apart.

package e2e_test

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"github.com/pinion-proxy/pinion/cmd/pinion/e2e/rig"
)

// keepsParent is a program that leaves a process that keeps open what tells the new master of the end of the old one, which is
// the other end of descriptor 4, and becomes Pinion, in its own place, too.
const keepsParent = `#!/bin/sh
sleep 60 8>/proc/self/fd/4 3>&- 4<&- 5<&- </dev/null >/dev/null 2>&1 &
echo $! >%[1]s.new && mv %[1]s.new %[1]s
ln -s %[2]s "$0.new" && mv "$0.new" "$0"
exec "$0" "$@"
`

func TestE2EUpgradeWaitsForOldMaster(t *testing.T) {
	t.Parallel()
	binary, err := rig.Binary()
	if err != nil {
		t.Fatal(err)
	}
	dir := rig.ShortDir(t)
	installed, keeper := filepath.Join(dir, "pinion"), filepath.Join(dir, "sleeps")
	if err := os.Symlink(binary, installed); err != nil {
		t.Fatal(err)
	}
	address := rig.FreeAddress(t)
	o := operateAs(t, installed, rig.Yaml(rig.Pool{Name: "pool", Listen: address, Options: []string{"redis: true"},
		Servers: rig.Lines([]*rig.Backend{rig.RedisServer(t)})}), address)

	os.Remove(installed)
	if err := os.WriteFile(installed, fmt.Appendf(nil, keepsParent, keeper, binary), 0o700); err != nil {
		t.Fatal(err)
	}
	if text, err := o.command("upgrade"); err != nil {
		t.Fatalf("upgrade: %v, %s", err, text)
	}
	pid, err := os.ReadFile(keeper)
	if err != nil {
		t.Fatal(err)
	}
	sleeps := rig.Atoi(strings.TrimSpace(string(pid)))
	t.Cleanup(func() { syscall.Kill(sleeps, syscall.SIGKILL) })

	type answer struct {
		text string
		err  error
	}
	answered := make(chan answer, 1)
	go func() {
		text, err := o.command("upgrade")
		answered <- answer{text, err}
	}()
	rig.Eventually(t, "waiting", func() error {
		if !strings.Contains(o.Output.String(), "upgrade waits for the end of the old master") {
			return fmt.Errorf("the log says nothing of it")
		}
		return nil
	})
	o.Dial().WantDo("+PONG\r\n", "PING")
	syscall.Kill(sleeps, syscall.SIGKILL)
	if a := <-answered; a.err != nil || !strings.Contains(a.text, "for the end of the old master") {
		t.Errorf("upgrade: %v, %s", a.err, a.text)
	}
}
