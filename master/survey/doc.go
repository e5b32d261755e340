// Package survey asks workers, on behalf of operators, what only they know.
//
//	admin socket ──► handler ──Round──► loop ──Question──► workers
//	                    ▲                │ Answers
//	                    └────────────────┴── each as it comes
//
// Handlers run on goroutines of their own: they read what workers have written, a page at a time, and ask for the next one. The loop
// passes questions and answers on, and reads neither. How many ask at a time is bounded, and so is how long a worker may take.
package survey
