package config

import (
	"net/netip"
	"testing"
)

// The statistics are somewhere even if the file does not say where.
func TestStatisticsWarnings(t *testing.T) {
	const pool = "  redis: true\n  servers:\n  - 127.0.0.1:6379:1\n"
	for text, want := range map[string]string{
		"alpha:\n  listen: 127.0.0.1:22222\n" + pool: `w:2:3: warning: pool "alpha": listen is 127.0.0.1:22222, and the statistics are on 0.0.0.0:22222: a start would fail; ` +
			`write another address, or have the statistics elsewhere: "statistics: 127.0.0.1:22223" under "global:", or -s PORT`,
		"alpha:\n  listen: 127.0.0.1:22121\n" + pool:                                         "",
		"global:\n  statistics: 127.0.0.1:22223\nalpha:\n  listen: 127.0.0.1:22222\n" + pool: "",
		"global:\n  http: 127.0.0.1:22223\n  http_user: me\n  http_password: x\nalpha:\n  listen: 127.0.0.1:22121\n" + pool: `w:3:3: warning: http_user keeps others from http, and not from ` +
			`the statistics on 0.0.0.0:22222, which have the same metrics and ask nobody; write "statistics: 127.0.0.1:22222" under "global:" if metrics are not for all`,
		"global:\n  http: 127.0.0.1:22223\n  http_user: me\n  http_password: x\n  statistics: 10.0.0.1:22224\nalpha:\n  listen: 127.0.0.1:22121\n" + pool: `w:3:3: warning: http_user keeps others from ` +
			`http, and not from the statistics on 10.0.0.1:22224, which have the same metrics and ask nobody; write "statistics: 127.0.0.1:22224" under "global:" if metrics are not for all`,
		"global:\n  http: 127.0.0.1:22223\n  http_user: me\n  http_password: x\n  statistics: 127.0.0.1:22222\nalpha:\n  listen: 127.0.0.1:22121\n" + pool: "",
		"global:\n  http: '[::]:22222'\n" + "alpha:\n  listen: 127.0.0.1:22121\n" + pool: `w:2:3: warning: http is [::]:22222, and the statistics are on 0.0.0.0:22222: a start would fail; ` +
			`write another address, or have the statistics elsewhere: "statistics: 127.0.0.1:22223" under "global:", or -s PORT`,
	} {
		c := parseTest(t, "w", text)
		if got := c.StatisticsWarnings(netip.MustParseAddrPort("0.0.0.0:22222")); got.Error() != want {
			t.Errorf("%s: got\n%v\nwant\n%s", text, got, want)
		}
	}
}
