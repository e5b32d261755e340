// A server of memcached: its version, the password, and how many connections it takes.

package reach

import (
	"fmt"
	"io"
	"strconv"
	"strings"
	"time"
)

func (v *visit) memcached() {
	begin := time.Now()
	answer, err := v.say("version\r\n")
	switch {
	case err != nil:
		v.broken(err)
		return
	case strings.HasPrefix(answer, "CLIENT_ERROR unauthenticated"):
		if !v.credentials() {
			return
		}
	case !strings.HasPrefix(answer, "VERSION "):
		v.odd(answer)
		return
	}
	v.judgeTime(time.Since(begin))
	v.compare(v.maxConnections(), "-c")
}

// say sends text and returns the line that comes back. What is of Redis is left to be looked at.
func (v *visit) say(text string) (string, error) {
	if _, err := io.WriteString(v.conn, text); err != nil {
		return "", err
	}
	first, err := v.in.Peek(1)
	if err != nil {
		return "", err
	}
	if first[0] < 'A' || first[0] > 'Z' {
		return "", errForeign
	}
	return v.line()
}

// credentials gives user and password as memcached -Y takes them: as the value of a set.
func (v *visit) credentials() bool {
	login := v.pool.ServerLogin()
	if login.User == "" {
		v.fail("wants a user and a password", "add memcached_auth")
		return false
	}
	both := login.User + " " + login.Password
	answer, err := v.say(fmt.Sprintf("set auth 0 0 %d\r\n%s\r\n", len(both), both))
	switch {
	case err != nil:
		v.broken(err)
	case answer == "STORED":
		return true
	default:
		v.fail("refuses the user and the password", fmt.Sprintf("correct %s, or the file of -Y there", v.passwordKey()))
	}
	return false
}

// odd is for a line that memcached does not answer version with.
func (v *visit) odd(answer string) {
	switch {
	case strings.HasPrefix(answer, "HTTP/"):
		v.fail("speaks HTTP", "correct the port")
	case strings.HasPrefix(answer, "SSH-"):
		v.fail("speaks SSH", "correct the port")
	case strings.HasPrefix(answer, "ERROR Too many open connections"):
		v.fail("is full: it has reached its limit of connections", "raise -c there")
	default:
		v.fail(fmt.Sprintf("answers version with %q", shorten(answer)), "see its log")
	}
}

// maxConnections returns what -c is; 0: it does not say.
func (v *visit) maxConnections() (most int) {
	const mostLines = 1000
	answer, err := v.say("stats settings\r\n")
	for range mostLines {
		if err != nil || !strings.HasPrefix(answer, "STAT ") {
			break
		}
		if text, ok := strings.CutPrefix(answer, "STAT maxconns "); ok {
			most, _ = strconv.Atoi(text)
		}
		answer, err = v.line()
	}
	return most
}
