// The pid file: the master writes itself into it beside the loop, as a disk may hang.

package master

import "github.com/pinion-proxy/pinion/master/pidfile"

// writePIDFile writes this process into the pid file beside the loop, and then goes on.
func (m *master) writePIDFile(then func(error)) {
	path, pid := m.opts.PIDFile, m.world.pid
	m.world.aside(func() func() {
		err := pidfile.Write(path, pid)
		return func() { then(err) }
	})
}

// claimPIDFile is writePIDFile, but for the file of another master that runs: whoever stops or watches that one finds it there.
func (m *master) claimPIDFile(then func(error)) {
	path, pid := m.opts.PIDFile, m.world.pid
	m.world.aside(func() func() {
		err := pidfile.Claim(path, pid, func(other int) string { return m.world.holderOfPIDFile(other, path) })
		return func() { then(err) }
	})
}
