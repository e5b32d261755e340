package link

import (
	"slices"
	"testing"
)

func TestServerLogin(t *testing.T) {
	for _, test := range []struct {
		pool Pool
		want []string
	}{
		{Pool{}, nil},
		{Pool{Password: "clients"}, []string{"AUTH", "clients"}},
		{Pool{Password: "clients", ServerPassword: "servers"}, []string{"AUTH", "servers"}},
		{Pool{ServerUser: "proxy", ServerPassword: "servers"}, []string{"AUTH", "proxy", "servers"}},
		{Pool{User: "u", Password: "p"}, []string{"AUTH", "u", "p"}},
		{Pool{User: "u", Password: "p", ServerPassword: "servers"}, []string{"AUTH", "servers"}},
	} {
		if got := test.pool.ServerLogin().Words(); !slices.Equal(got, test.want) {
			t.Errorf("%+v: servers are told %q, want %q", test.pool, got, test.want)
		}
	}
}
