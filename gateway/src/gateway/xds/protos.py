"""Envoy's message types: imported once, so that JSON forms of every used extension can be parsed."""

from envoy.config.cluster.v3.cluster_pb2 import Cluster
from envoy.config.core.v3.extension_pb2 import TypedExtensionConfig
from envoy.config.listener.v3.listener_pb2 import Listener
from envoy.config.rbac.v3.rbac_pb2 import Action as RbacAction
from envoy.config.route.v3.route_components_pb2 import FilterConfig, Route, RouteList, VirtualHost
from envoy.config.route.v3.route_pb2 import RouteConfiguration
from envoy.config.route.v3.scoped_route_pb2 import ScopedRouteConfiguration
from envoy.config.trace.v3 import opentelemetry_pb2 as _otel
from envoy.config.trace.v3 import zipkin_pb2 as _zipkin
from envoy.extensions.access_loggers.file.v3 import file_pb2 as _file
from envoy.extensions.access_loggers.filters.cel.v3 import cel_pb2 as _cel
from envoy.extensions.common.matching.v3 import extension_matcher_pb2 as _matching
from envoy.extensions.common.ratelimit.v3.ratelimit_pb2 import LocalRateLimitDescriptor as RateLimitDescriptor
from envoy.extensions.common.ratelimit.v3.ratelimit_pb2 import RateLimitDescriptor as _Descriptor
from envoy.extensions.filters.common.matcher.action.v3 import skip_action_pb2 as _skip
from envoy.extensions.filters.http.buffer.v3 import buffer_pb2 as _buffer
from envoy.extensions.filters.http.header_mutation.v3 import header_mutation_pb2 as _mutation
from envoy.extensions.filters.http.header_mutation.v3.header_mutation_pb2 import (
    HeaderMutationPerRoute as MutationPerRoute,
)
from envoy.extensions.filters.http.jwt_authn.v3 import config_pb2 as _jwt
from envoy.extensions.filters.http.local_ratelimit.v3.local_rate_limit_pb2 import LocalRateLimit
from envoy.extensions.filters.http.rate_limit_quota.v3.rate_limit_quota_pb2 import (
    RateLimitQuotaBucketSettings as BucketSettings,
)
from envoy.extensions.filters.http.rate_limit_quota.v3.rate_limit_quota_pb2 import (
    RateLimitQuotaFilterConfig as QuotaFilter,
)
from envoy.extensions.filters.http.rbac.v3.rbac_pb2 import RBAC as Rbac  # noqa: N811 - a class, not a constant
from envoy.extensions.filters.http.rbac.v3.rbac_pb2 import RBACPerRoute as RbacPerRoute
from envoy.extensions.filters.http.router.v3 import router_pb2 as _router
from envoy.extensions.filters.network.http_connection_manager.v3.http_connection_manager_pb2 import (
    HttpConnectionManager,
)
from envoy.extensions.filters.network.set_filter_state.v3.set_filter_state_pb2 import Config as FilterState
from envoy.extensions.http.early_header_mutation.header_mutation.v3 import header_mutation_pb2 as _early
from envoy.extensions.matching.common_inputs.network.v3.network_inputs_pb2 import (
    DynamicMetadataInput,
    FilterStateInput,
)
from envoy.extensions.matching.common_inputs.ssl.v3.ssl_inputs_pb2 import UriSanInput
from envoy.extensions.matching.input_matchers.metadata.v3.metadata_pb2 import Metadata as MetadataMatcher
from envoy.extensions.path.match.uri_template.v3 import uri_template_match_pb2 as _template
from envoy.extensions.retry.host.previous_hosts.v3 import previous_hosts_pb2 as _previous_hosts
from envoy.extensions.transport_sockets.tls.v3 import tls_pb2 as _tls
from envoy.extensions.transport_sockets.tls.v3.secret_pb2 import Secret
from envoy.extensions.upstreams.http.v3 import http_protocol_options_pb2 as _options
from envoy.service.discovery.v3 import ads_pb2_grpc, discovery_pb2
from envoy.service.rate_limit_quota.v3 import rlqs_pb2, rlqs_pb2_grpc
from envoy.type.matcher.v3.http_inputs_pb2 import HttpRequestHeaderMatchInput as HeaderInput
from envoy.type.matcher.v3.string_pb2 import StringMatcher as ValueText
from envoy.type.matcher.v3.value_pb2 import ValueMatcher
from envoy.type.v3.ratelimit_strategy_pb2 import RateLimitStrategy
from envoy.type.v3.token_bucket_pb2 import TokenBucket
from google.protobuf.message import Message
from xds.core.v3.extension_pb2 import TypedExtensionConfig as TypedExtension
from xds.type.matcher.v3.matcher_pb2 import Matcher
from xds.type.matcher.v3.regex_pb2 import RegexMatcher
from xds.type.matcher.v3.string_pb2 import StringMatcher

MatcherTree = Matcher.MatcherTree
MatchMap = Matcher.MatcherTree.MatchMap
MatcherList = Matcher.MatcherList
FieldMatcher = Matcher.MatcherList.FieldMatcher
Predicate = Matcher.MatcherList.Predicate
PredicateList = Matcher.MatcherList.Predicate.PredicateList
SinglePredicate = Matcher.MatcherList.Predicate.SinglePredicate
OnMatch = Matcher.OnMatch
MetadataSegment = DynamicMetadataInput.PathSegment
RateEntry = _Descriptor.Entry

_REGISTERED = (
    _otel,
    _zipkin,
    _file,
    _cel,
    _buffer,
    _mutation,
    _jwt,
    _matching,
    _skip,
    _router,
    _early,
    _template,
    _tls,
    _options,
    _previous_hosts,
)

_P = "type.googleapis.com/envoy."
CDS = _P + "config.cluster.v3.Cluster"
LDS = _P + "config.listener.v3.Listener"
RDS = _P + "config.route.v3.RouteConfiguration"
SRDS = _P + "config.route.v3.ScopedRouteConfiguration"
SDS = _P + "extensions.transport_sockets.tls.v3.Secret"
ECDS = _P + "config.core.v3.TypedExtensionConfig"

ORDER = (CDS, SDS, ECDS, LDS, SRDS, RDS)
"""The order in which changes are sent, so that nothing is named before it is known."""

__all__ = [
    "CDS",
    "ECDS",
    "LDS",
    "ORDER",
    "RDS",
    "SDS",
    "SRDS",
    "BucketSettings",
    "Cluster",
    "DynamicMetadataInput",
    "FieldMatcher",
    "FilterConfig",
    "FilterState",
    "FilterStateInput",
    "HeaderInput",
    "HttpConnectionManager",
    "Listener",
    "LocalRateLimit",
    "MatchMap",
    "Matcher",
    "MatcherList",
    "MatcherTree",
    "Message",
    "MetadataMatcher",
    "MetadataSegment",
    "MutationPerRoute",
    "OnMatch",
    "Predicate",
    "PredicateList",
    "QuotaFilter",
    "RateEntry",
    "RateLimitDescriptor",
    "RateLimitStrategy",
    "Rbac",
    "RbacAction",
    "RbacPerRoute",
    "RegexMatcher",
    "Route",
    "RouteConfiguration",
    "RouteList",
    "ScopedRouteConfiguration",
    "Secret",
    "SinglePredicate",
    "StringMatcher",
    "TokenBucket",
    "TypedExtension",
    "TypedExtensionConfig",
    "UriSanInput",
    "ValueMatcher",
    "ValueText",
    "VirtualHost",
    "ads_pb2_grpc",
    "discovery_pb2",
    "rlqs_pb2",
    "rlqs_pb2_grpc",
]
