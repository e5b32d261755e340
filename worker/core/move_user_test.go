// Who a client is goes with it, and meets the users of the next configuration there.

package core

import (
	"strings"
	"testing"
	"time"

	"github.com/pinion-proxy/pinion/worker/link"
)

const bobLogsIn = "AUTH bob secret"

// usersRig is a worker with users and the next one of its slot, which has others.
func usersRig(t *testing.T, before, after []string) (r *rig, next *loop) {
	r = newRig(t)
	r.redisPool("s1").Users = before
	r.start()
	next = r.joined(func(pools []link.Pool) { pools[0].Users = after })
	return r, next
}

// talk sends requests, the words of each with spaces between, and returns what the client gets.
func (r *rig) talk(c *peer, requests ...string) string {
	for _, request := range requests {
		c.send(redisRequestOf(strings.Fields(request)...))
	}
	r.turn()
	return string(c.take())
}

func TestMoveUser(t *testing.T) {
	const bob, denied = "bob on >secret ~* &* +@all", "-NOPERM this user has no permissions to run the 'ping' command\r\n"
	for _, test := range []struct {
		name          string
		before, after []string
		requests      []string // before the move
		moves         bool
		ask, want     string
	}{
		{"same", []string{bob}, []string{bob}, []string{bobLogsIn}, true, "ACL WHOAMI", "$3\r\nbob\r\n"},
		{"with a name", []string{bob}, []string{bob}, []string{bobLogsIn, "CLIENT SETNAME x"}, true, "ACL WHOAMI", "$3\r\nbob\r\n"},
		{"weaker", []string{bob}, []string{"bob on >secret ~* &* +@all -ping"}, []string{bobLogsIn}, true, "PING", denied},
		{"weaker with a name", []string{bob}, []string{"bob on >secret ~* &* +@all -ping"}, []string{bobLogsIn, "CLIENT SETNAME x"}, true, "PING", denied},
		{"stronger", []string{"bob on >secret -@all"}, []string{bob}, []string{bobLogsIn}, true, "PING", "+PONG\r\n"},
		{"another password", []string{bob}, []string{"bob on >other ~* &* +@all"}, []string{bobLogsIn}, true, "PING", "+PONG\r\n"},
		{"gone", []string{bob}, []string{"eve on >secret ~* &* +@all"}, []string{bobLogsIn}, false, "", ""},
		{"off", []string{bob}, []string{"bob off >secret ~* &* +@all"}, []string{bobLogsIn}, false, "", ""},
		{"nobody yet", []string{bob}, []string{bob}, nil, true, "PING", "-NOAUTH Authentication required.\r\n"},
		{"nobody, and anybody is let in", []string{bob}, []string{bob, "default on nopass ~* &* +@all"}, nil, true, "ACL WHOAMI", "$7\r\ndefault\r\n"},
		{"users are new", nil, []string{bob, "default on nopass +ping"}, nil, true, "ACL WHOAMI", "-NOPERM this user has no permissions to run the 'acl|whoami' command\r\n"},
		{"users are new, and not for all", nil, []string{bob}, nil, false, "", ""},
		{"no users any more", []string{bob}, nil, []string{bobLogsIn}, false, "", ""},
		{"no users any more, of nobody", []string{bob}, nil, nil, true, "PING", "+PONG\r\n"},
		{"no users any more, of the default user", []string{"default on nopass ~* &* +@all"}, nil, nil, true, "PING", "+PONG\r\n"},
	} {
		t.Run(test.name, func(t *testing.T) {
			r, next := usersRig(t, test.before, test.after)
			before := r.workers[0]
			c := r.connect("c", 0, 0)
			r.talk(c, test.requests...)
			r.handOver(before, next)
			if got := next.clients == 1; got != test.moves {
				t.Fatalf("it has moved: %v", got)
			}
			if !test.moves {
				return
			}
			if got := r.talk(c, test.ask); got != test.want {
				t.Errorf("%s is answered with %q, want %q", test.ask, got, test.want)
			}
		})
	}
}

// A client that its next worker does not want is served as before until all is settled, so that a roll-back changes nothing.
func TestUserStaysUntilSettled(t *testing.T) {
	r, next := usersRig(t, []string{"bob on >secret ~* &* +@all"}, []string{"eve on >secret ~* &* +@all"})
	c := r.connect("c", 0, 0)
	r.talk(c, bobLogsIn)
	r.handOver(r.workers[0], next)
	if got := r.talk(c, "PING"); got != "+PONG\r\n" {
		t.Errorf("PING is answered with %q", got)
	}
}

// Whoever is out once all is settled gets the replies that are owed, and asks nothing more: neither who has never asked anything, nor
// who has a request half sent, nor who is owed a reply until then.
func TestUserWhoIsOutIsNotServed(t *testing.T) {
	r, next := usersRig(t, []string{"default on nopass ~* &* +@all"}, []string{"default off"})
	before := r.workers[0]
	silent, half, owed := r.connect("silent", 0, 0), r.connect("half", 0, 0), r.connect("owed", 0, 0)
	half.send([]byte("*1\r\n$4\r\nPI"))
	owed.send(redisRequestOf("GET", "k"))
	r.turn()
	server := r.servers[0].conns[0]
	server.take()
	r.handOver(before, next)
	r.instruct(before, link.Finish, link.FinishBody{Deadline: time.Minute})
	silent.send(redisRequestOf("SET", "k", "v"))
	half.send([]byte("NG\r\n"))
	owed.send(redisRequestOf("SET", "k", "v"))
	r.turn()
	if got := string(silent.take()) + string(half.take()); got != "" || !silent.ended || !half.ended || owed.ended {
		t.Errorf("they got %q; ended: silent %v, half %v, owed %v", got, silent.ended, half.ended, owed.ended)
	}
	server.send([]byte("$1\r\n1\r\n"))
	r.turn()
	if got := string(owed.take()); got != "$1\r\n1\r\n" || !owed.ended {
		t.Errorf("owed got %q, ended is %v", got, owed.ended)
	}
	if got := server.take(); len(got) > 0 {
		t.Errorf("the server got %q", got)
	}
}

func TestMoveTransactionOfWeakerUser(t *testing.T) {
	r, next := usersRig(t, []string{"bob on >secret ~* &* +@all"}, []string{"bob on >secret ~a &* +@all"})
	c := r.connect("c", 0, 0)
	r.talk(c, bobLogsIn, "MULTI", "GET a", "GET b")
	r.handOver(r.workers[0], next)
	want := "-EXECABORT Transaction discarded because of: NOPERM ACLs rules changed between the moment the transaction was accumulated and the EXEC call. " +
		"This command is no longer allowed for the following reason: no permission to touch the specified keys\r\n"
	if got := r.talk(c, "EXEC"); got != want || next.clients != 1 {
		t.Errorf("EXEC is answered with %q", got)
	}
}

// A subscription that its user may not have any more does not go on.
func TestMoveSubscriberOfWeakerUser(t *testing.T) {
	for _, test := range []struct {
		after string
		moves bool
	}{
		{"bob on >secret &news +@all", true},
		{"bob on >secret &n* +@all", true},
		{"bob on >secret &weather +@all", false},
	} {
		r, next := usersRig(t, []string{"bob on >secret ~* &* +@all"}, []string{test.after})
		c := r.connect("c", 0, 0)
		r.talk(c, bobLogsIn, "SUBSCRIBE news")
		conns := r.servers[0].conns
		conns[len(conns)-1].send([]byte("*3\r\n$9\r\nsubscribe\r\n$4\r\nnews\r\n:1\r\n"))
		r.turn()
		c.take()
		r.handOver(r.workers[0], next)
		if got := next.clients == 1; got != test.moves {
			t.Errorf("%s: it has moved: %v", test.after, got)
		}
	}
}

// What waits in a server does not go on waiting for what its user may not have any more, be it the command or any of the keys.
func TestMoveWaitOfWeakerUser(t *testing.T) {
	long := "BLPOP " + strings.Repeat("k", maxWaitingBytes) + " 0"
	for _, test := range []struct{ after, request, want string }{
		{"~* +@all -ping", "BLPOP a b 0", ""},
		{"~a ~b +blpop", "BLPOP a b 0", ""},
		{"~* +get", "BLPOP a b 0", "-NOPERM this user has no permissions to run the 'blpop' command\r\n"},
		{"~a +@all", "BLPOP a b 0", "-NOPERM this user has no permissions to access one of the keys used as arguments\r\n"},
		{"~a %R~b +@all", "BLMOVE a b LEFT RIGHT 0", "-NOPERM this user has no permissions to access one of the keys used as arguments\r\n"},
		{"~a +@all", "XREAD BLOCK 0 STREAMS a b $ $", "-NOPERM this user has no permissions to access one of the keys used as arguments\r\n"},
		{"~* +@all", long, ""},
		{"~k* +@all", long, "-UNBLOCKED the rules of this user may have changed\r\n"},
	} {
		r, next := usersRig(t, []string{"bob on >secret ~* &* +@all"}, []string{"bob on >secret &* " + test.after})
		r.numbered = true
		for _, l := range r.workers {
			l.pools[0].servers[0].primary.numberless = false
		}
		c := r.connect("c", 0, 0)
		r.talk(c, bobLogsIn, test.request)
		conns := r.servers[0].conns
		server := conns[len(conns)-1]
		server.take()
		server.send([]byte(":7\r\n")) // CLIENT ID
		r.turn()
		r.handOver(r.workers[0], next)
		conns = r.servers[0].conns
		asked := conns[len(conns)-1] != server
		if asked {
			if got, want := string(conns[len(conns)-1].take()), string(redisRequestOf("CLIENT", "UNBLOCK", "7", "ERROR")); got != want {
				t.Fatalf("%s: the server is asked %q", test.after, got)
			}
			server.send(unblockedByCommand)
			r.turn()
		}
		if got := string(c.take()); got != test.want || asked != (test.want != "") || next.clients != 1 {
			t.Errorf("%s: %.20s is answered with %q, want %q", test.after, test.request, got, test.want)
		}
		r.tearDown()
		r.clients = nil
	}
}

// Who monitors or tracks keys and may not do so any more has no place.
func TestMoveListenerOfWeakerUser(t *testing.T) {
	for _, test := range []struct {
		request, after string
		moves          bool
	}{
		{"MONITOR", "~* +monitor", true},
		{"MONITOR", "~* &* +@all -monitor", false},
		{"CLIENT TRACKING ON", "~* +client|tracking", true},
		{"CLIENT TRACKING ON", "~* &* +@all -client|tracking", false},
	} {
		for _, before := range [][]string{nil, {"default on nopass ~* &* +@all"}} {
			r, next := usersRig(t, before, []string{"default on nopass " + test.after})
			c := r.connect("c", 0, 0)
			r.talk(c, "HELLO 3")
			for _, server := range r.servers[0].conns {
				server.send([]byte("%0\r\n"))
			}
			got := r.talk(c, test.request)
			conns := r.servers[0].conns
			if server := conns[len(conns)-1]; test.request == "MONITOR" {
				server.send([]byte("%0\r\n"))
				r.turn()
				server.send([]byte("+OK\r\n"))
			}
			r.turn()
			if got += string(c.take()); !strings.HasSuffix(got, "+OK\r\n") {
				t.Fatalf("%s is answered with %q", test.request, got)
			}
			r.handOver(r.workers[0], next)
			if got := next.clients == 1; got != test.moves {
				t.Errorf("%s, %s: it has moved: %v", test.request, test.after, got)
			}
			r.tearDown()
			r.clients = nil
		}
	}
}

// Who has shown a certificate is the user whom it names, if there is one.
func TestUserNamed(t *testing.T) {
	r, _ := usersRig(t, []string{"bob on ~* &* +@all", "off off ~* &* +@all"}, nil)
	peer := r.connect("c", 0, 0)
	r.turn()
	var c *client
	for _, slot := range r.workers[0].table {
		if found, ok := slot.h.(*client); ok {
			c = found
		}
	}
	if c.beUserNamed([]byte("nobody")) || c.beUserNamed([]byte("off")) {
		t.Error("it is a user who does not exist, or is off")
	}
	if got := r.talk(peer, "PING"); got != "-NOAUTH Authentication required.\r\n" {
		t.Errorf("PING is answered with %q", got)
	}
	if !c.beUserNamed([]byte("bob")) {
		t.Error("it is not bob")
	}
	if got := r.talk(peer, "ACL WHOAMI"); got != "$3\r\nbob\r\n" {
		t.Errorf("ACL WHOAMI is answered with %q", got)
	}
	if got := r.talk(peer, "RESET", "PING"); got != "+RESET\r\n-NOAUTH Authentication required.\r\n" {
		t.Errorf("RESET and PING are answered with %q", got)
	}
}

// A client of which there is too much to move goes on where it is only if it may do there what it may do here.
func TestUserWhoCannotMove(t *testing.T) {
	const bob = "bob on >secret ~* &* +@all"
	for _, test := range []struct {
		name          string
		before, after []string
		stays         bool
	}{
		{"same", []string{bob}, []string{bob}, true},
		{"same of few", []string{"bob on >secret ~* -@all +set"}, []string{"bob on >other ~* -@all +set"}, true},
		{"stronger", []string{"bob on >secret ~* +set"}, []string{bob}, true},
		{"weaker", []string{bob}, []string{"bob on >secret ~* &* +@all -set"}, false},
		{"gone", []string{bob}, []string{"eve on >secret ~* &* +@all"}, false},
		{"off", []string{bob}, []string{"bob off >secret ~* &* +@all"}, false},
		{"no users any more", []string{bob}, nil, false},
	} {
		t.Run(test.name, func(t *testing.T) {
			r, next := usersRig(t, test.before, test.after)
			before := r.workers[0]
			large, small := r.connect("large", 0, 0), r.connect("small", 0, 0)
			r.talk(small, "PING")
			r.talk(large, bobLogsIn)
			before.mover.mostBytes = 1 << 10
			large.send(redisRequestOf("SET", "k", string(make([]byte, 1<<10)))[:1<<10])
			r.turn()
			r.handOver(before, next)
			given := r.given(before)
			if stays := given.Stragglers == 1 && given.Closed == 0; stays != test.stays || given.Moved != 1 {
				t.Errorf("the worker reports %+v", given)
			}
			r.instruct(before, link.Finish, link.FinishBody{Deadline: time.Minute})
			large.send(redisRequestOf("SET", "k", string(make([]byte, 1<<10)))[1<<10:])
			r.turn()
			if large.ended == test.stays {
				t.Errorf("it is closed: %v", large.ended)
			}
			got := 0
			for _, s := range r.servers[0].conns {
				got += len(s.take())
			}
			if asked := got > 0; asked != test.stays {
				t.Errorf("what it asks next reaches a server: %v", asked)
			}
		})
	}
}
