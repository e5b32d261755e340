// A dry run tells what the reload then does: what changes, that it is refused, and that nothing has to be done.

package e2e_test

import (
	"errors"
	"os/exec"
	"strings"
	"testing"

	"github.com/pinion-proxy/pinion/cmd/pinion/e2e/rig"
)

func TestE2EDryRun(t *testing.T) {
	t.Parallel()
	servers := rig.Several(2, func() *rig.Backend {
		return rig.RedisServerTCP(t, rig.FreeAddress(t), "--requirepass", "secret", "--databases", "4")
	})
	address := rig.FreeAddress(t)
	config := func(option string, lines ...string) string {
		return rig.Yaml(rig.Pool{Name: "pool", Listen: address, Options: []string{"redis: true", "timeout: 2000", option}, Servers: lines})
	}
	lines := rig.Lines(servers)
	o := operate(t, config("redis_auth: secret", lines...), address)
	for _, step := range []struct {
		config string
		status int
		want   string
		reload string // why a reload then fails; empty: it succeeds
	}{
		{config("redis_auth: secret", lines...), 0, "nothing would change\n", ""},
		{config("redis_auth: wrong", lines...), 1, "a reload would be refused: new workers cannot reach server ", "new workers cannot reach server "},
		{config("redis_auth: secret\n  redis_db: 9", lines...), 1, "has no database 9", "new workers cannot reach server "},
		{config("redis_auth: secret", lines...) + rig.Yaml(rig.Pool{Name: "more", Listen: servers[0].Address, Servers: lines}), 1,
			`a reload would be refused: listening on "` + servers[0].Address + `" (pool "more"): address already in use`, "address already in use"},
		{config("redis_auth: secret", lines[0]), 2, " % of its keys are looked for elsewhere\n", ""},
		{config("redis_auth: secret", lines[0]), 0, "nothing would change\n", ""},
	} {
		o.configure(t, step.config)
		text, err := o.command("reload", "--dry-run")
		status := 0
		if exit := (*exec.ExitError)(nil); errors.As(err, &exit) {
			status = exit.ExitCode()
		}
		if status != step.status || !strings.Contains(text, step.want) {
			t.Errorf("status %d, want %d: got\n%s\nwant\n%s\nof\n%s", status, step.status, text, step.want, step.config)
		}
		o.reloads(t, step.reload)
	}
}
