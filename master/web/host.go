// Who a browser believes to be talking to. A site that has its own name point at this address could read what the page reads, as if it were
// the page: its visitors' browsers ask for that name. The page is asked for by address, as localhost, or by the name of this host.

package web

import (
	"net"
	"net/http"
	"net/netip"
	"os"
	"strings"
)

// onlyByOurName refuses requests for another name. What is asked through a unix socket, no site can ask; nor over TLS, as browsers want our
// certificate to bear the name.
func onlyByOurName(answer http.HandlerFunc) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		guard(w)
		local, _ := r.Context().Value(http.LocalAddrContextKey).(net.Addr)
		if r.TLS == nil && (local == nil || local.Network() != "unix") && !isOurs(r.Host) {
			http.Error(w, "this is not answered under the name "+r.Host+": ask by address, as localhost or by the name of this host", http.StatusForbidden)
			return
		}
		answer(w, r)
	}
}

// isOurs tells whether a Host header is an address, localhost, or the name of this host; with a port or without.
func isOurs(host string) bool {
	if name, _, err := net.SplitHostPort(host); err == nil {
		host = name
	}
	host = strings.ToLower(strings.TrimSuffix(host, "."))
	if _, err := netip.ParseAddr(strings.Trim(host, "[]")); err == nil || host == "" || host == "localhost" {
		return true
	}
	own, err := os.Hostname()
	own = strings.ToLower(own)
	short, _, _ := strings.Cut(own, ".")
	return err == nil && own != "" && (host == own || host == short)
}
