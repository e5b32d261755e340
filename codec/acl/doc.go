// Package acl holds the rules of Redis' access lists: who a user is, and what he may do.
//
//	"app on >secret ~app:* +@read" ─ Parse ─► User ─┬─ Text ────► the same without passwords, as ACL LIST has it
//	                                                ├─ Accepts ─► is this the password
//	   a request, its row in the table ─────────────┴─ Check ───► may he send it, and if not, why
//
// A User never changes once it is parsed, so anybody may ask it anything at any time. Check neither allocates nor keeps what it is given.
package acl
