// Package pages is a part of the endpoints: it renders the HTML pages
// that users see, which are the consent page, the page that redirects to the
// client, and the error pages. It leaves out protocol state: handlers pass it
// what to show.
//
// Text that a client chose is not trusted: it is escaped, isolated from the
// text around it, cut off, and cleared of invisible characters. Nothing that a
// client named is loaded, and none of it is a link, except the redirect URI.
// Pages need no script and allow none.
//
// The pages are built by code and not by html/template: that package calls
// methods by name, so the linker has to keep every method of every type, which
// doubles the size of a Lambda function. Instead the types markup and text
// distinguish HTML from text, see page. The package is long because it has all
// texts as well.
package pages
