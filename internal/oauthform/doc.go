// Package oauthform reads what clients send to the endpoints that take a form
// (the token endpoint, RFC 6749 §3.2, and those of RFC 7009 and RFC 7662), and
// says who sent it: the form, client authentication (RFC 6749 §2.3), the
// registration behind it, and that it was used. Direct and brokered mode share
// it. What the parameters mean is for the endpoints.
package oauthform
