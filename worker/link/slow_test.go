package link

import (
	"reflect"
	"strings"
	"testing"
)

func TestSlowLog(t *testing.T) {
	s, err := OpenShared(newMemory(SharedBytes([]int{2, 1}, 2)), []int{2, 1}, 2)
	if err != nil {
		t.Fatal(err)
	}
	if s.SlowRoom() == 0 || s.LastSlow(1) != 0 || len(s.SlowLog(1)) != 0 {
		t.Fatalf("a fresh memory has room for %d, and the last is %d", s.SlowRoom(), s.LastSlow(1))
	}
	e := SlowEntry{
		ID: 1, At: 1e15, Wait: 1, Server: 2, Behind: 3, Back: 4, HeldUp: 5, Pool: 1, Client: 1 << 40, Count: 3, Command: "set",
		ServerName: strings.Repeat("s", 63), Address: "10.0.0.1:6379", Peer: "[::1]:1", ClientName: "", Args: AppendSlowArg(nil, []byte("a\x00b"), false),
	}
	for ; e.ID <= uint64(s.SlowRoom())+2; e.ID++ {
		s.WriteSlow(1, &e)
	}
	last := e.ID - 1
	e.ID = last
	s.HoldUpSlow(1, last)
	s.BackSlow(1, last, 6)
	s.BackSlow(1, 1, 6) // it is not there any more
	e.HeldUp, e.Back = 6, 10
	all := s.SlowLog(1)
	if len(all) != s.SlowRoom() || s.LastSlow(1) != last || len(s.SlowLog(0)) != 0 {
		t.Errorf("%d entries, the last is %d, want %d", len(all), s.LastSlow(1), last)
	}
	for _, got := range all {
		if got.ID == last && !reflect.DeepEqual(got, e) {
			t.Errorf("got %+v\nwant %+v", got, e)
		}
		if got.ID <= 2 || got.ID > last || got.Took() < 10 {
			t.Errorf("there is %+v", got)
		}
	}
}

func TestSlowArgs(t *testing.T) {
	long := []byte(strings.Repeat("x", 300))
	args := AppendSlowArg(nil, nil, false)
	args = AppendSlowArg(args, []byte("k"), true)
	args = AppendSlowArg(args, long, false)
	args = AppendSlowArg(args, long, false)
	args = AppendSlowArg(args, long, false)
	if len(args) > MaxSlowArgs {
		t.Fatalf("%d bytes", len(args))
	}
	var got []int
	cuts := 0
	for rest := args; ; {
		arg, cut, next, ok := SlowArg(rest)
		if !ok {
			break
		}
		if cut {
			cuts++
		}
		got, rest = append(got, len(arg)), next
	}
	if !reflect.DeepEqual(got, []int{0, 1, 127, 59}) || cuts != 3 {
		t.Errorf("got arguments of %v bytes, %d cut", got, cuts)
	}
	for end := range args { // whatever another process has written
		for rest, ok := args[:end], true; ok; {
			_, _, rest, ok = SlowArg(rest)
		}
	}
}
