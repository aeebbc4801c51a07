// Command lambda is the example MCP server as a Lambda function behind an API
// Gateway HTTP API (payload format 2.0). mcpserver.FromEnv reads its environment.
package main

import (
	"context"
	"log/slog"
	"net/http"
	"net/url"
	"os"

	"github.com/aws/aws-lambda-go/events"
	"github.com/aws/aws-lambda-go/lambda"
	"github.com/awslabs/aws-lambda-go-api-proxy/httpadapter"

	"github.com/dcr-broker/dcr-broker/examples/mcpserver"
)

func main() {
	log := slog.New(slog.NewJSONHandler(os.Stdout, nil))
	h, err := handler(os.Getenv, log)
	if err != nil {
		log.Error("not started", "error", err)
		os.Exit(1)
	}
	lambda.Start(h)
}

type function func(context.Context, events.APIGatewayV2HTTPRequest) (events.APIGatewayV2HTTPResponse, error)

func handler(getenv func(string) string, log *slog.Logger) (function, error) {
	cfg, err := mcpserver.FromEnv(getenv)
	if err != nil {
		return nil, err
	}
	cfg.Log = log
	h, err := mcpserver.New(cfg)
	if err != nil {
		return nil, err
	}
	proxy := httpadapter.NewV2(h)
	return func(ctx context.Context, e events.APIGatewayV2HTTPRequest) (events.APIGatewayV2HTTPResponse, error) {
		// HTTP APIs deliver the path decoded, and the adapter parses it: a
		// percent sign in it would make the invocation fail.
		e.RawPath = (&url.URL{Path: e.RawPath}).EscapedPath()
		res, err := proxy.ProxyWithContext(ctx, e)
		if err != nil {
			// If the invocation failed, API Gateway would answer 500 without CORS
			// headers.
			log.WarnContext(ctx, "event refused", "error", err)
			return events.APIGatewayV2HTTPResponse{StatusCode: http.StatusBadRequest, Headers: map[string]string{"Access-Control-Allow-Origin": "*"}}, nil
		}
		return res, nil
	}, nil
}
