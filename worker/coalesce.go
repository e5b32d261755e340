package worker

import "time"

type window struct {
	most  time.Duration
	until int64
}

func (l *loop) coalesce() time.Duration {
	if l.window.most == 0 || len(l.dirtyConns)+len(l.dirtyClients) == 0 || l.busy <= 4 || l.pending == 0 || len(l.again) > 0 {
		l.window.until = 0
		return 0
	}
	if l.window.until == 0 {
		l.window.until = l.now + int64(l.window.most)
	}
	if l.window.until <= l.now {
		l.window.until = 0
		return 0
	}
	return time.Duration(l.window.until - l.now)
}
