// Memcached's replies come in the order of the requests, in either protocol, quiet ones or not, also while the workers are
// replaced.

package e2e_test

import (
	"bufio"
	"encoding/base64"
	"encoding/binary"
	"fmt"
	"io"
	"math/rand/v2"
	"strings"
	"sync"
	"syscall"
	"testing"

	"github.com/pinion-proxy/pinion/cmd/pinion/e2e/rig"
)

// memcacheModel is what one client knows of its own keys.
type memcacheModel struct {
	prefix string
	values map[string]string
	random *rand.Rand
}

// draw returns a key, its value, whether there is one, and a new value.
func (m *memcacheModel) draw() (key, value string, there bool, fresh string) {
	key = fmt.Sprintf("%s %d", m.prefix, m.random.IntN(20)) // with a space: as base64 in text
	value, there = m.values[key]
	fresh = fmt.Sprint(m.random.Uint32())
	if m.random.IntN(30) == 0 {
		fresh = rig.Filler(m.random.IntN(100_000))
	}
	return key, value, there, fresh
}

// text returns a meta command and its reply.
func (m *memcacheModel) text() (raw, reply string) {
	key, value, there, fresh := m.draw()
	flags, quiet := " b", m.random.IntN(2) == 0
	if quiet {
		flags = " q b"
	}
	name := base64.StdEncoding.EncodeToString([]byte(key))
	switch m.random.IntN(4) {
	case 0:
		m.values[key] = fresh
		raw, reply = fmt.Sprintf("ms %s %d%s\r\n%s\r\n", name, len(fresh), flags, fresh), "HD\r\n"
	case 1:
		delete(m.values, key)
		raw, reply = "md "+name+flags+"\r\n", "HD\r\n"
		if !there {
			return raw, "NF\r\n"
		}
	case 2:
		return "mn\r\n", "MN\r\n"
	default:
		raw, reply = "mg "+name+flags+" v\r\n", "EN\r\n"
		if there {
			return raw, fmt.Sprintf("VA %d\r\n%s\r\n", len(value), value)
		}
	}
	if quiet {
		reply = ""
	}
	return raw, reply
}

// packets returns a request of the binary protocol and its reply, without a CAS.
func (m *memcacheModel) packets() (raw, reply string) {
	key, value, there, fresh := m.draw()
	quiet := m.random.IntN(2) == 0
	answer := func(opcode byte, status uint16, extras, value string) string {
		b := []byte(binaryPacket(opcode, 0, extras, "", value))
		b[0] = 0x81
		binary.BigEndian.PutUint16(b[6:], status)
		return string(b)
	}
	opcode := map[bool]byte{false: 0x00, true: 0x09}[quiet]
	switch m.random.IntN(4) {
	case 0:
		m.values[key] = fresh
		opcode = map[bool]byte{false: 0x01, true: 0x11}[quiet]
		raw, reply = storePacket(opcode, 0, 0, 0, key, fresh), answer(opcode, 0, "", "")
	case 1:
		delete(m.values, key)
		opcode = map[bool]byte{false: 0x04, true: 0x14}[quiet]
		raw, reply = binaryPacket(opcode, 0, "", key, ""), answer(opcode, 0, "", "")
		if !there {
			return raw, answer(opcode, 1, "", "Not found")
		}
	case 2:
		return binaryPacket(0x0a, 0, "", "", ""), answer(0x0a, 0, "", "")
	default:
		raw, reply = binaryPacket(opcode, 0, "", key, ""), answer(opcode, 1, "", "Not found")
		if there {
			return raw, answer(opcode, 0, "\x00\x00\x00\x00", value)
		}
	}
	if quiet {
		reply = ""
	}
	return raw, reply
}

// readPacket reads one reply of the binary protocol, and takes its CAS away.
func readPacket(r *bufio.Reader) (string, error) {
	b := make([]byte, 24)
	if _, err := io.ReadFull(r, b); err != nil {
		return "", err
	}
	clear(b[16:24])
	body := make([]byte, binary.BigEndian.Uint32(b[8:]))
	_, err := io.ReadFull(r, body)
	return string(b) + string(body), err
}

// readMeta reads one reply to a meta command.
func readMeta(r *bufio.Reader) (string, error) {
	line, err := r.ReadString('\n')
	if err != nil || !strings.HasPrefix(line, "VA ") {
		return line, err
	}
	data := make([]byte, rig.Atoi(strings.Fields(line)[1])+2)
	_, err = io.ReadFull(r, data)
	return line + string(data), err
}

// play sends n requests at once and compares the replies. The last request is one that is always answered.
func (m *memcacheModel) play(c *rig.Client, n int, next func() (string, string), last string) error {
	var raw strings.Builder
	var want []string
	for range n {
		ask, reply := next()
		raw.WriteString(ask)
		if reply != "" {
			want = append(want, reply)
		}
	}
	raw.WriteString(last)
	sent := make(chan struct{})
	go func() {
		defer close(sent)
		sendPieces(c.Conn, raw.String())
	}()
	defer func() { <-sent }()
	for i := range want {
		if got, err := c.Read(c.In); err != nil || got != want[i] {
			return fmt.Errorf("reply %d: got %.100q, %v, want %.100q", i, got, err, want[i])
		}
	}
	if got, err := c.Read(c.In); err != nil || !strings.HasPrefix(got, "MN") && !strings.HasPrefix(got, "\x81\x0a") {
		return fmt.Errorf("in the end: got %.100q, %v", got, err)
	}
	return nil
}

func TestE2EMemcacheOrder(t *testing.T) {
	t.Parallel()
	p := rig.MemcachePool(t, rig.Several(3, func() *rig.Backend { return rig.MemcachedServer(t) }), "hash: murmur")
	var group sync.WaitGroup
	for i := range 8 {
		m := &memcacheModel{prefix: fmt.Sprint(i), values: map[string]string{}, random: rand.New(rand.NewPCG(rand.Uint64(), 0))}
		c := p.Dial()
		next, last := m.text, "mn\r\n"
		c.Read = readMeta
		if i%2 == 0 {
			next, last = m.packets, binaryPacket(0x0a, 0, "", "", "")
			c.Read = readPacket
		}
		group.Go(func() {
			for round := 0; round < 5 || !strings.Contains(p.Output.String(), "reload to generation 2 (pinion"); round++ {
				if err := m.play(c, 100, next, last); err != nil {
					t.Errorf("client %d, round %d: %v", i, round, err)
					return
				}
				if i == 0 && round == 1 {
					p.Signal(syscall.SIGHUP)
				}
			}
		})
	}
	group.Wait()
}
