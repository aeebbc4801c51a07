// Package janitor is a use case: the sweep that runs once an hour. It finishes
// or undoes interrupted work, ends registrations whose lifetime is over, and
// compares the app clients of the user pool with their records.
//
// A sweep reads first. The result is a list of items: app clients without a
// record, records without an app client, shared app clients that lack scopes,
// and records that are due. One loop does one item after another. Only the loop
// decides whether there is time, whether this is a dry run, and what an error
// means. The mode of a record, which is a [Reconciler], decides what to do with
// it.
package janitor
