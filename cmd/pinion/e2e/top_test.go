// pinion top, as it is: in a pseudo-terminal, over a reload, and for scripts.

package e2e_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"unsafe"

	"github.com/pinion-proxy/pinion/cmd/pinion/e2e/rig"
)

// terminal is a pseudo-terminal, and what was written to it since something was last wanted.
type terminal struct {
	t      *testing.T
	master *os.File

	mu   sync.Mutex
	text bytes.Buffer
	wide bool
}

func ioctl(t *testing.T, f *os.File, request uintptr, argument unsafe.Pointer) {
	t.Helper()
	raw, err := f.SyscallConn()
	if err != nil {
		t.Fatal(err)
	}
	raw.Control(func(fd uintptr) {
		if _, _, errno := syscall.Syscall(syscall.SYS_IOCTL, fd, request, uintptr(argument)); errno != 0 {
			t.Errorf("ioctl %#x: %v", request, errno)
		}
	})
}

// openTerminal returns a terminal and the end of it that a program gets.
func openTerminal(t *testing.T) (*terminal, *os.File) {
	t.Helper()
	master, err := os.OpenFile("/dev/ptmx", os.O_RDWR|syscall.O_NOCTTY, 0)
	if err != nil {
		t.Fatal(err)
	}
	const unlock, number = 0x40045431, 0x80045430 // TIOCSPTLCK, TIOCGPTN
	locked, n := int32(0), int32(0)
	ioctl(t, master, unlock, unsafe.Pointer(&locked))
	ioctl(t, master, number, unsafe.Pointer(&n))
	slave, err := os.OpenFile(fmt.Sprintf("/dev/pts/%d", n), os.O_RDWR|syscall.O_NOCTTY, 0)
	if err != nil {
		t.Fatal(err)
	}
	term := &terminal{t: t, master: master}
	term.resize()
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		b := make([]byte, 4096)
		for {
			n, err := master.Read(b)
			if err != nil {
				return
			}
			term.mu.Lock()
			term.text.Write(b[:n])
			term.mu.Unlock()
		}
	}()
	t.Cleanup(func() { master.Close(); <-ended })
	return term, slave
}

// resize has everything written anew.
func (term *terminal) resize() {
	term.wide = !term.wide
	size := [4]uint16{24, 80}
	if term.wide {
		size[1]++
	}
	ioctl(term.t, term.master, syscall.TIOCSWINSZ, unsafe.Pointer(&size))
}

// patience is how many looks at the screen a program has to write it anew.
const patience = 50

// want waits until a screen has all of these texts.
func (term *terminal) want(texts ...string) {
	term.t.Helper()
	term.mu.Lock()
	term.text.Reset()
	term.mu.Unlock()
	tries := 0
	rig.Eventually(term.t, "the screen with "+strings.Join(texts, ", "), func() error {
		term.mu.Lock()
		got := term.text.String()
		term.mu.Unlock()
		for _, text := range texts {
			if !strings.Contains(got, text) {
				if tries++; tries%patience == 1 {
					term.resize()
				}
				return fmt.Errorf("no %q in %q", text, got)
			}
		}
		return nil
	})
}

func (term *terminal) press(keys string) {
	if _, err := term.master.WriteString(keys); err != nil {
		term.t.Error(err)
	}
}

func TestE2ETop(t *testing.T) {
	t.Parallel()
	control, listen := filepath.Join(rig.ShortDir(t), "ctl.sock"), rig.FreeAddress(t)
	config := rig.Yaml(rig.Pool{Name: "alpha", Listen: listen, Options: []string{"redis: true"}, Servers: rig.Lines([]*rig.Backend{rig.RedisServer(t)})})
	p := rig.Pinion(t, config, "tcp", listen, "--control", control)
	p.Read = rig.ReadRESP
	c := p.Dial()
	c.WantDo("+OK\r\n", "CLIENT", "SETNAME", "web")
	command := func(args ...string) string {
		out, err := exec.Command(p.Cmd.Path, append(args, "--control", control)...).Output()
		if err != nil {
			t.Errorf("pinion %s: %v", strings.Join(args, " "), err)
		}
		return string(out)
	}

	term, slave := openTerminal(t)
	top := exec.Command(p.Cmd.Path, "top", "--interval", "200ms", "--control", control)
	top.Env = append(os.Environ(), "TERM=xterm", "NO_COLOR=1")
	top.Stdin, top.Stdout, top.Stderr = slave, slave, slave
	top.SysProcAttr = &syscall.SysProcAttr{Setsid: true, Setctty: true}
	if err := top.Start(); err != nil {
		t.Fatal(err)
	}
	slave.Close()
	ended := make(chan error, 1)
	go func() { ended <- top.Wait() }()
	term.want("generation 1", "alpha", "CLIENTS")
	term.press("2")
	term.want("[2:servers]", "s0", "CONNS")
	command("reload")
	term.want("generation 2", "[2:servers]", "s0")
	term.press("5")
	term.want("[5:clients]", "web", "COMMAND")
	term.press("q")
	rig.Eventually(t, "the end of pinion top", func() error {
		select {
		case err := <-ended:
			if err != nil {
				t.Errorf("pinion top: %v", err)
			}
			return nil
		default:
			return fmt.Errorf("it runs")
		}
	})

	var table struct {
		Rows []struct{ Server, State string }
	}
	if err := json.Unmarshal([]byte(command("top", "--by", "servers", "--once", "--json", "--interval", "200ms")), &table); err != nil ||
		len(table.Rows) != 1 || table.Rows[0].State != "live" {
		t.Errorf("%v: %+v", err, table)
	}
}

// redis-cli --stat reads INFO time and again: it shows all servers of a pool as one.
func TestE2ERedisCLIStat(t *testing.T) {
	t.Parallel()
	p := rig.RedisPool(t, rig.ThreeRedis(t))
	p.Read = rig.ReadRESP
	c := p.Dial()
	for i := range 7 {
		c.WantDo("+OK\r\n", "SET", fmt.Sprint("key", i), "value")
	}
	term, slave := openTerminal(t)
	stat := exec.Command(rig.Program(t, "redis-cli"), "-p", p.Port(), "-i", "0.1", "--stat")
	stat.Stdin, stat.Stdout, stat.Stderr = slave, slave, slave
	if err := stat.Start(); err != nil {
		t.Fatal(err)
	}
	slave.Close()
	term.want("clients blocked requests", "\n7          ", " (+")
	stat.Process.Kill()
	stat.Wait()
}
