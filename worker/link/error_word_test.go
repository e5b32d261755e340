package link

import "testing"

func TestErrorWord(t *testing.T) {
	for _, test := range []struct {
		of   Protocol
		text string
		want string
	}{
		{Redis, "OOM command not allowed when used memory > 'maxmemory'.\r\n", "OOM"},
		{Redis, "LOADING\r\n", "LOADING"},
		{Redis, "ERR no such key\r\n", "ERR"},
		{Redis, "ERRATIC\r\n", "other"},
		{Redis, "CLUSTERDOWN", "CLUSTERDOWN"},
		{Redis, "MOVED 1 10.0.0.1:6379\r\n", "MOVED"},
		{Redis, "", "other"},
		{Redis, "ERROR\r\n", "other"},
		{Memcache, "ERROR\r\n", "ERROR"},
		{Memcache, "SERVER_ERROR out of memory storing object\r\n", "SERVER_ERROR"},
		{Memcache, "OOM \r\n", "other"},
	} {
		if word := ErrorWord(test.of, []byte(test.text)); ErrorWords[word] != test.want || !ErrorWordOf(word, test.of) {
			t.Errorf("%s: %q begins with %s, want %s", test.of, test.text, ErrorWords[word], test.want)
		}
	}
	for word, name := range ErrorWords {
		if name == "" {
			t.Errorf("word %d has no name", word)
		}
	}
}
