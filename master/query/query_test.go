package query

import (
	"errors"
	"math"
	"strings"
	"testing"
)

func TestRead(t *testing.T) {
	type result struct {
		pool, state string
		count       int
		id          uint64
		dry         bool
		ids         []string
	}
	parameters := func(r *result) Parameters {
		return Parameters{
			"pool": Text(&r.pool), "state": Choice(&r.state, "idle", "active"), "count": Number(&r.count, 1, 256), "id": Number(&r.id, 0, uint64(math.MaxUint64)), "dry": Truth(&r.dry),
			"ids": Value(func(text string) error {
				if r.ids = append(r.ids, text); text == "no" {
					return errors.New("it is not no")
				}
				return nil
			}).Often(),
		}
	}
	for _, c := range []struct {
		query string
		want  string // part of the error; empty: none
	}{
		{"", ""}, {"pool=a&state=idle&count=256&id=18446744073709551615&dry=1&ids=a&ids=b", ""}, {"count=1&dry=0&id=0", ""},
		{"pool=", `parameter "pool" is empty`}, {"pool=a&pool=b", `parameter "pool" is there 2 times`}, {"Pool=a", `unknown parameter "Pool"; what there is: count dry id ids pool state`},
		{"state=nope", `parameter "state" is "nope"; it is one of idle, active`},
		{"count=0", `it is a number from 1 to 256`}, {"count=257", `from 1 to 256`}, {"count=-1", `parameter "count" is "-1"; it is a number from 1 to 256`}, {"count=1x", `from 1 to 256`},
		{"count=18446744073709551615", `from 1 to 256`}, {"count=99999999999999999999999", `from 1 to 256`}, {"id=-1", "it is a number from 0 on"},
		{"dry=yes", `it is 1 or 0`}, {"ids=a&ids=no", `parameter "ids" is "no"; it is not no`}, {"pool=%zz", "reading the parameters"}, {"pool=a;count=1", "reading the parameters"},
	} {
		var r result
		err := parameters(&r).Read(c.query)
		if (err == nil) != (c.want == "") || err != nil && !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: got %v, want %q", c.query, err, c.want)
		}
	}
	var r result
	if err := parameters(&r).Read("pool=a&state=idle&count=256&id=7&dry=1&ids=a&ids=b"); err != nil || r.pool != "a" || r.state != "idle" || r.count != 256 || r.id != 7 || !r.dry || len(r.ids) != 2 {
		t.Errorf("got %+v, %v", r, err)
	}
}

func TestNeeded(t *testing.T) {
	var pool string
	p := Parameters{"pool": Text(&pool).Once()}
	if err := p.Read(""); err == nil || err.Error() != `parameter "pool" is needed; what there is: pool` {
		t.Errorf("got %v", err)
	}
	if err := p.Read("pool=a"); err != nil || pool != "a" {
		t.Errorf("got %q, %v", pool, err)
	}
	if err := (Parameters{}).Read("x=1"); err == nil || err.Error() != `unknown parameter "x"; there are none here` {
		t.Errorf("got %v", err)
	}
}
