package core

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"
)

// objectsOf returns what entries of ACL LOG in a reply are about, with how often, and the age of the first.
func objectsOf(reply string) (objects []string, age string) {
	words := strings.Split(reply, "\r\n")
	value := func(i int) string {
		if strings.HasPrefix(words[i], "$") {
			return words[i+1]
		}
		return words[i]
	}
	count := ""
	for i, word := range words {
		switch word {
		case "count":
			count = value(i + 1)
		case "object":
			objects = append(objects, count+" "+value(i+1))
		case "age-seconds":
			if age == "" {
				age = value(i + 1)
			}
		}
	}
	return objects, age
}

// ACL LOG tells what all workers have noted, the latest first, and has all of them forget.
func TestACLLogOfAllWorkers(t *testing.T) {
	r := newRig(t)
	r.slots = 2
	r.redisPool("s1").Users = []string{"default on nopass ~* &* +@all", "app on nopass ~a* +get"}
	r.start()
	for _, m := range r.masters {
		m.deaf = true
	}
	clients := [2]*peer{r.connect("a", 0, 0), r.connect("b", 0, 1)}
	for slot, c := range clients {
		r.talk(c, "AUTH app x", fmt.Sprintf("GET k%d", slot), fmt.Sprintf("GET k%d", slot), "SET a 1")
		r.advance(time.Second)
	}
	asker := r.connect("c", 0, 0)
	ask := func(request string) (objects []string, age string) {
		return objectsOf(r.asksAll(asker, strings.Fields(request)...))
	}
	objects, age := ask("ACL LOG")
	if want := []string{":1 set", ":2 k1", ":1 set", ":2 k0"}; !slices.Equal(objects, want) || age != "1.000" {
		t.Errorf("it tells of %q, the first %s s old, want %q", objects, age, want)
	}
	if objects, _ = ask("ACL LOG 1"); len(objects) != 1 {
		t.Errorf("of one it tells %q", objects)
	}
	if objects, _ = ask("ACL LOG -1"); len(objects) != 0 {
		t.Errorf("of none it tells %q", objects)
	}
	ask("ACL LOG RESET")
	if objects, _ = ask("ACL LOG"); len(objects) != 0 {
		t.Errorf("it has not forgotten %q", objects)
	}
}

// Whatever is asked for, what is noted is bounded.
func TestACLLogIsBounded(t *testing.T) {
	r := newRig(t)
	r.redisPool("s1").Users = []string{"default on nopass ~a* +get"}
	r.start()
	c := r.connect("a", 0, 0)
	for i := range mostACLEntries + 10 {
		r.talk(c, fmt.Sprintf("GET %d%s", i, strings.Repeat("x", 2*mostShownBytes)))
	}
	entries := r.workers[0].pools[0].users.log.entries
	if len(entries) != mostACLEntries {
		t.Fatalf("there are %d entries", len(entries))
	}
	for _, e := range entries {
		if len(e.Object) > mostShownBytes || e.Count != 1 {
			t.Fatalf("an entry is %+v", e)
		}
	}
	if first := string(entries[0].Object); !strings.HasPrefix(first, fmt.Sprint(mostACLEntries+9)) {
		t.Errorf("the latest is %q", first)
	}
}
