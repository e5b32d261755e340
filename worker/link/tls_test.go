// TLS in a specification: a build that does not know it must not speak plaintext instead.

package link

import (
	"errors"
	"reflect"
	"testing"
)

func TestTLSIsCritical(t *testing.T) {
	for _, test := range []struct {
		pool Pool
		want []string
	}{
		{Pool{}, nil},
		{Pool{Seeds: []string{"127.0.0.1:7000"}}, []string{"Pools.Seeds"}},
		{Pool{ServerUser: "proxy", ServerPassword: "secret"}, []string{"Pools.ServerPassword"}},
		{Pool{Users: []string{"bob on nopass ~* &* +@all"}}, []string{"Pools.Users"}},
		{Pool{ServerTLS: &ServerTLS{Verify: VerifyFull}}, []string{"Pools.ServerTLS"}},
		{Pool{TLS: &ClientTLS{Pairs: make([]KeyPair, 1)}}, []string{"Pools.TLS", "Listeners.TLS"}},
	} {
		s := Spec{Pools: []Pool{{}, test.pool}}
		s.MarkCritical()
		if !reflect.DeepEqual(s.Critical, test.want) {
			t.Errorf("%+v: critical are %q, want %q", test.pool, s.Critical, test.want)
		}
		again, err := ParseSpec(s.Text())
		if err != nil || !reflect.DeepEqual(again.Pools[1].ServerTLS, test.pool.ServerTLS) || !reflect.DeepEqual(again.Pools[1].TLS, test.pool.TLS) {
			t.Errorf("%s is read as %+v, %v", s.Text(), again, err)
		}
	}
}

// earlierSpec is one of a build without TLS.
type earlierSpec struct{ Pools []struct{ Name string } }

func TestEarlierBuildRefusesTLS(t *testing.T) {
	s := Spec{Pools: []Pool{{ServerTLS: &ServerTLS{Verify: VerifyFull}}}}
	s.MarkCritical()
	if err := decode(s.Text(), new(earlierSpec)); !errors.Is(err, ErrCritical) {
		t.Errorf("it reads %s: %v", s.Text(), err)
	}
}
