// CloudFront Function on viewer requests: the application routes in the browser, so every path that is not a file gets
// its one page. https://docs.aws.amazon.com/AmazonCloudFront/latest/DeveloperGuide/functions-javascript-runtime-20.html
function handler(event) {
    const request = event.request;
    const isApi = request.uri === '/api' || request.uri.startsWith('/api/');
    const name = request.uri.slice(request.uri.lastIndexOf('/') + 1);
    if (!isApi && !name.includes('.')) {
        request.uri = '/index.html';
    }
    return request;
}
