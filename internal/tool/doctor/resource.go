package doctor

import (
	"context"
	"net/url"
	"slices"
	"strings"
)

const resourceWellKnown = "/.well-known/oauth-protected-resource"

// resourcePlaces returns the addresses at which clients look for the metadata
// of a resource if the challenge names none: first with the path of the
// resource, then at the root (MCP, "Protected Resource Metadata Discovery
// Requirements"). Without a path they are the same.
func resourcePlaces(u *url.URL) []string {
	places := []string{wellKnown(u, resourceWellKnown)}
	if root := wellKnown(&url.URL{Scheme: u.Scheme, Host: u.Host}, resourceWellKnown); root != places[0] {
		places = append(places, root)
	}
	return places
}

// wellKnown inserts the name between host and path (RFC 8414 §3.1, RFC 9728
// §3.1), and removes a trailing slash of the path.
func wellKnown(u *url.URL, name string) string {
	address := u.Scheme + "://" + u.Host + name + strings.TrimSuffix(u.EscapedPath(), "/")
	if u.RawQuery != "" {
		address += "?" + u.RawQuery
	}
	return address
}

var resourceKinds = map[string]kind{
	"resource": aString, "authorization_servers": strings_, "jwks_uri": aString, "scopes_supported": strings_, "bearer_methods_supported": strings_,
	"resource_name": aString, "resource_documentation": aString, "resource_policy_uri": aString, "resource_tos_uri": aString,
}

func (d *doctor) protectedResource(ctx context.Context) {
	if d.first == nil || d.isIssuer {
		return
	}
	var used found
	f := d.check(resourceHeader)
	named := d.header["resource_metadata"]
	if named == "" {
		d.skip(resourceHeader, "the challenge names no address")
	} else {
		used = d.document(ctx, named)
		if used.err != nil {
			f.fail(nil, "%s: %s", quote(named), used.err)
		}
		f.end("%s", quote(named))
	}

	places := resourcePlaces(d.url)
	path := d.document(ctx, places[0])
	f = d.check(resourcePath)
	switch {
	case path.err != nil && used.object == nil:
		f.fail(nil, "%s: %s", quote(places[0]), path.err)
	case path.err != nil && path.none:
		f.warn([]string{reported(chatGPT)}, "%s: %s; clients that do not read the challenge look here", quote(places[0]), path.err)
	case path.err != nil:
		f.fail([]string{typeScript1, typeScript2, goSDK}, "%s: %s; clients give up unless it is a 4xx", quote(places[0]), path.err)
	case used.object != nil && !sameResource(path.object, used.object):
		f.fail(nil, "%s contradicts the document that the challenge names", quote(places[0]))
	}
	f.end("%s", quote(places[0]))
	if used.object == nil {
		used = path
	}

	if used = d.resourceAtRoot(ctx, places, used); used.object == nil {
		d.skipRest(stageResource, "there is no document")
		d.skipRest(stageServer, "no document names the authorization server")
		d.skip(resourceCORS, "there is no document")
		return
	}
	d.resource = used.object
	d.readResource(used)
	d.checkReadable(ctx, resourceCORS, used.answer)
}

// resourceAtRoot checks the document at the root of the host. It returns that
// document if used has none, and used otherwise.
func (d *doctor) resourceAtRoot(ctx context.Context, places []string, used found) found {
	if len(places) == 1 {
		d.skip(resourceRoot, "the URL has no path, so this is the same address")
		return used
	}
	f := d.check(resourceRoot)
	root := d.document(ctx, places[1])
	switch {
	case root.err != nil && root.none && used.object != nil:
		f.end("%s: %s; not needed, because there is metadata elsewhere", quote(places[1]), root.err)
		return used
	case root.err != nil && root.none:
		f.fail(nil, "%s: %s; no address has any metadata", quote(places[1]), root.err)
	case root.err != nil:
		f.warn([]string{typeScript1, typeScript2, goSDK}, "%s: %s; clients give up unless it is a 4xx", quote(places[1]), root.err)
	case used.object == nil:
		f.end("%s", quote(places[1]))
		return root
	case root.object.text("resource") == used.object.text("resource") && !sameResource(root.object, used.object):
		f.fail(nil, "%s names other authorization servers for the same resource", quote(places[1]))
	case root.object.text("resource") != used.object.text("resource"):
		// One host may have several resources.
		f.end("%s is about another resource", quote(places[1]))
		return used
	}
	f.end("%s", quote(places[1]))
	return used
}

func sameResource(a, b object) bool {
	return a.text("resource") == b.text("resource") && slices.Equal(a.texts("authorization_servers"), b.texts("authorization_servers"))
}

// readResource checks the document.
func (d *doctor) readResource(used found) {
	o := used.object
	d.checkType(resourceContentType, used.answer)

	f := d.check(resourceIdentifier)
	if got := o.text("resource"); got != d.URL {
		f.fail([]string{goSDK, vsCode, claude}, "resource is %s, but the URL is %s", quote(got), quote(d.URL))
	}
	f.end("%s", quote(o.text("resource")))

	f = d.check(resourceServers)
	servers := o.texts("authorization_servers")
	if len(servers) == 0 {
		f.fail(nil, "authorization_servers is missing or empty")
	} else {
		d.issuer = servers[0]
		if len(servers) > 1 {
			f.warn([]string{vsCode, claude}, "there are %d; some clients use only the first, %s", len(servers), quote(servers[0]))
		}
	}
	f.end("%s", quote(d.issuer))

	f = d.check(resourceMembers)
	f.checkMembers(o, resourceKinds, typeScript)
	if slices.Contains(o.texts("scopes_supported"), "offline_access") {
		f.warn(nil, "scopes_supported has offline_access, which is not a scope of a resource")
	}
	if methods := o.texts("bearer_methods_supported"); methods != nil && !slices.Contains(methods, "header") {
		f.fail(nil, "bearer_methods_supported lacks header, but MCP clients send the token only there")
	}
	f.end("all members have the right type")

	d.scopes = strings.Fields(d.header["scope"])
	if len(d.scopes) == 0 {
		d.scopes = o.texts("scopes_supported")
	}
}
