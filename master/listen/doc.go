// Package listen owns the sockets on which pools are served: it opens them, keeps them, hands out copies' numbers, and
// closes them when nobody is to come there any more.
//
//	              Claim            Listen                Settle                        Close
//	address free ──────► bound ──────────► clients wait ────────► ordinary ──────────────────────► former
//	              probe   Fresh            Fresh, Queues            ▲   │ workers have copies      known as ours for a while
//	                                                               Add  Adjust, Replace
//
// There is one socket per TCP address and slot, in one SO_REUSEPORT group, and one per unix path. A Layout says where a
// generation listens and which of its workers accepts from which socket. What is closed, and when, is decided in master/listen.go.
//
// A Set belongs to one goroutine. All else is functions, which may be called by any. Effects go through Kernel.
package listen
