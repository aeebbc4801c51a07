// Package janitor is a use case: the sweep that runs once an hour. It finishes or
// undoes what was interrupted, ends registrations whose lifetime is over, and
// compares the app clients of the user pool with their records.
//
// A sweep reads first, and from what it has read follow items: app clients
// without a record, records without an app client, shared app clients that lack
// scopes, and records that are due. One loop does one item after the other. It
// alone decides whether there is time, whether this is a dry run, and what an
// error means. What to do with a record is decided by the mode of the record,
// which is a [Reconciler].
package janitor
