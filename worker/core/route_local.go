// Which function answers each of the commands that the proxy answers itself.

package core

import "github.com/pinion-proxy/pinion/codec/resp"

// localAnswer answers a request of count arguments, the first of which are args. A client that it leaves waiting asks again.
type localAnswer func(c *client, cmd *resp.Command, b []byte, args []resp.Span, count int)

// localAnswers is made at start: the functions in it come back to it with requests that have waited.
var localAnswers [resp.NumLocalOps]localAnswer

func init() {
	localAnswers = [...]localAnswer{
		resp.LocalPing:   (*client).ping,
		resp.LocalEcho:   (*client).echo,
		resp.LocalAuth:   ofArguments((*client).auth),
		resp.LocalHello:  (*client).hello,
		resp.LocalSelect: ofArgument(1, (*client).selectDB),
		resp.LocalReset:  ofClient((*client).reset),
		resp.LocalQuit:   (*client).quit,
		resp.LocalHangUp: (*client).hangUp,
		resp.LocalInfo:   (*client).info,
		resp.LocalRole:   ofClient((*client).role),

		resp.LocalCommand:      (*client).describeCommands,
		resp.LocalCommandCount: (*client).describeCommands,
		resp.LocalCommandDocs:  (*client).describeCommands,
		resp.LocalCommandInfo:  (*client).describeCommands,
		resp.LocalCommandList:  (*client).describeCommands,

		resp.LocalClientSetName:      ofArgument(2, (*client).answerSetName),
		resp.LocalClientGetName:      ofClient((*client).getName),
		resp.LocalClientSetInfo:      ofArguments((*client).answerSetInfo),
		resp.LocalClientID:           ofClient((*client).getID),
		resp.LocalClientInfo:         ofClient((*client).describe),
		resp.LocalClientNoEvict:      ofArgument(2, (*client).noSwitch),
		resp.LocalClientNoTouch:      ofArgument(2, (*client).noSwitch),
		resp.LocalClientReply:        ofArgument(2, (*client).setReplies),
		resp.LocalClientTracking:     (*client).track,
		resp.LocalClientCaching:      ofArgument(2, (*client).setCaching),
		resp.LocalClientTrackingInfo: ofClient((*client).trackingInfo),
		resp.LocalClientGetRedir:     ofClient((*client).getRedirect),
		resp.LocalClientList:         (*client).askAllWorkers,
		resp.LocalClientKill:         (*client).askAllWorkers,
		resp.LocalClientPause:        (*client).askAllWorkers,
		resp.LocalClientUnpause:      (*client).askAllWorkers,
		resp.LocalClientUnblock:      (*client).askAllWorkers,

		resp.LocalMulti:       ofClient((*client).multi),
		resp.LocalExec:        (*client).exec,
		resp.LocalDiscard:     ofClient((*client).discardTransaction),
		resp.LocalWatch:       (*client).watchKeys,
		resp.LocalUnwatch:     ofClient((*client).unwatch),
		resp.LocalMonitor:     (*client).startMonitoring,
		resp.LocalSubscribe:   (*client).changeSubscriptions,
		resp.LocalUnsubscribe: (*client).changeSubscriptions,
	}
}

// ofClient makes an answer of a function that appends the reply and needs nothing of the request.
func ofClient(appendReply func(c *client, out []byte) []byte) localAnswer {
	return func(c *client, _ *resp.Command, _ []byte, _ []resp.Span, _ int) {
		c.respondUnlessWaiting(appendReply(c, c.pool.l.scratch[:0]))
	}
}

// ofArgument makes an answer of a function that appends the reply to a request with this argument.
func ofArgument(n int, appendReply func(c *client, out, argument []byte) []byte) localAnswer {
	return func(c *client, _ *resp.Command, b []byte, args []resp.Span, _ int) {
		c.respondUnlessWaiting(appendReply(c, c.pool.l.scratch[:0], args[n].Of(b)))
	}
}

// ofArguments makes an answer of a function that appends the reply to a request with these arguments, the name included.
func ofArguments(appendReply func(c *client, out, b []byte, args []resp.Span) []byte) localAnswer {
	return func(c *client, _ *resp.Command, b []byte, args []resp.Span, _ int) {
		c.respondUnlessWaiting(appendReply(c, c.pool.l.scratch[:0], b, args))
	}
}
