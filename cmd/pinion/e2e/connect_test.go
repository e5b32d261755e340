// pinion check --connect asks real servers, and says which of them cannot serve, and why.

package e2e_test

import (
	"fmt"
	"os/exec"
	"strings"
	"testing"

	"github.com/pinion-proxy/pinion/cmd/pinion/e2e/rig"
)

func TestE2EConnect(t *testing.T) {
	t.Parallel()
	pinion, err := rig.Binary()
	if err != nil {
		t.Fatal(err)
	}
	open := rig.RedisServerTCP(t, rig.FreeAddress(t))
	locked := rig.RedisServerTCP(t, rig.FreeAddress(t), "--requirepass", "right", "--databases", "4", "--maxclients", "20")
	cache := rig.MemcachedServer(t)
	nobody := rig.FreeAddress(t)
	pool := func(name, keys string, servers ...string) string {
		text := fmt.Sprintf("%s:\n  listen: %s\n  timeout: 400\n%s  servers:\n", name, rig.FreeAddress(t), keys)
		for i, s := range servers {
			text += fmt.Sprintf("  - %s:1 s%d\n", s, i+1)
		}
		return text
	}
	check := func(text string) (string, int) {
		cmd := exec.Command(pinion, "check", "--connect", "--workers", "2", "-c", rig.WriteConfig(t, text))
		out, err := cmd.Output()
		if cmd.ProcessState == nil {
			t.Fatal(err)
		}
		return string(out), cmd.ProcessState.ExitCode()
	}

	out, status := check(pool("fine", "  redis: true\n", open.Address) + pool("cached", "", cache.Address))
	if status != 0 || !strings.HasSuffix(out, ": fit to run, 2 pools, 2 servers, 0 warnings; 2 of 2 addresses asked can serve\n") {
		t.Errorf("status %d:\n%s", status, out)
	}

	out, status = check(pool("plain", "  redis: true\n", locked.Address, cache.Address, nobody) +
		pool("wrong", "  redis: true\n  redis_auth: wrong\n", locked.Address) +
		pool("right", "  redis: true\n  redis_auth: right\n  redis_db: 4\n", locked.Address) +
		pool("cached", "", open.Address))
	for _, want := range []string{
		`: pool "plain": server "s1" at ` + locked.Address + " wants a password; ",
		`: pool "plain": server "s2" at ` + cache.Address + " is a memcached in a pool of Redis; ",
		`: pool "plain": server "s3" at ` + nobody + " refuses connections; ",
		`: pool "wrong": server "s1" at ` + locked.Address + " refuses the password; ",
		`: pool "right": server "s1" at ` + locked.Address + " has no database 4; ",
		`: warning: pool "right": server "s1" at ` + locked.Address + " takes 20 clients (maxclients), and 2 workers open up to 6 connections, twice as many during a reload, and 3072 for clients",
		`: pool "cached": server "s1" at ` + open.Address + " is a Redis in a pool of memcached; ",
		"; 0 of 6 addresses asked can serve\n",
	} {
		if strings.Count(out, want) != 1 {
			t.Errorf("%s is not there once", want)
		}
	}
	if status != 2 {
		t.Errorf("status %d, want 2", status)
	}
	if t.Failed() {
		t.Log(out)
	}
}
