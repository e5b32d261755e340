// COMMAND and its subcommands: what the servers say of their commands, less what clients of the pool cannot use.

package core

import "github.com/pinion-proxy/pinion/codec/resp"

// allCommands asks a server to describe every command it has.
var allCommands = []byte("*1\r\n$7\r\nCOMMAND\r\n")

// describeCommands answers with what one server says, which is taken to be what all would say.
func (c *client) describeCommands(cmd *resp.Command, b []byte, args []resp.Span, _ int) {
	p := c.pool
	f := p.redisFanout(cmd)
	answers := &f.protocol.(*redisFanout).answers
	answers.Ask(cmd, b, args, nil)
	answers.Version = c.version()
	answers.Allowed = p.maySee
	p.fanouts.assign(f, p.placement.fixed())
	size := len(b)
	if cmd.Local == resp.LocalCommandCount {
		b = allCommands
	}
	c.sendWhole(cmd, f, b, size)
}

// maySee tells whether clients of the pool can use the command, or subcommand, of that name.
func (p *pool) maySee(name []byte) bool { return resp.IsAny(name, p.mayUse) }

// mayUse tells whether clients of the pool can use a command.
func (p *pool) mayUse(cmd *resp.Command) bool {
	switch p.routes[cmd.ID] {
	case resp.Refuse, resp.Solo, routeDenied:
		return false
	}
	return true
}
