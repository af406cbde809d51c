//! The words in which an operation is described: few, so that all operations read alike.

use serde_json::Value;
use utoipa::ToSchema;
use utoipa::openapi::path::{OperationBuilder, ParameterBuilder, ParameterIn};
use utoipa::openapi::request_body::RequestBodyBuilder;
use utoipa::openapi::response::{Response, ResponseBuilder};
use utoipa::openapi::schema::{
    AdditionalProperties, Object, ObjectBuilder, Schema, SchemaType, Type,
};
use utoipa::openapi::security::SecurityRequirement;
use utoipa::openapi::{ContentBuilder, HttpMethod, Ref, RefOr, Required};

use super::refusals;
use crate::http::route::Route;

/// The name of the caller's key among the ways to prove oneself.
pub(super) const KEY: &str = "callerKey";

pub(super) const JSON: &str = "application/json";

/// What appids look like.
const APPID: &str = "^[A-Za-z0-9_-]{1,64}$";

/// One method of one path. The route's refusals are added at the end.
pub(super) struct Operation {
    pub(super) path: &'static str,
    pub(super) method: HttpMethod,
    route: Route,
    builder: OperationBuilder,
    schemas: Vec<Named>,
}

/// A schema with its name.
pub(super) type Named = (String, RefOr<Schema>);

impl Operation {
    pub(super) fn get(route: Route, path: &'static str) -> Self {
        Self::new(route, path, HttpMethod::Get)
    }

    pub(super) fn post(route: Route, path: &'static str) -> Self {
        Self::new(route, path, HttpMethod::Post)
    }

    pub(super) fn new(route: Route, path: &'static str, method: HttpMethod) -> Self {
        let builder = OperationBuilder::new().operation_id(Some(route.as_str()));
        Self {
            path,
            method,
            route,
            builder,
            schemas: Vec::new(),
        }
    }

    /// Another name than its route's, of which there are several.
    pub(super) fn named(self, name: &str) -> Self {
        self.with(|builder| builder.operation_id(Some(name)))
    }

    /// What it does, in a line and at length.
    pub(super) fn says(self, tag: &str, summary: &str, description: &str) -> Self {
        self.with(|builder| {
            let builder = builder.tag(tag).summary(Some(summary));
            builder.description(Some(description))
        })
    }

    /// Needs the caller's key.
    pub(super) fn with_key(self) -> Self {
        let requirement = SecurityRequirement::new(KEY, Vec::<String>::new());
        self.with(|builder| builder.security(requirement))
    }

    /// Needs the caller's key, and the path names an app.
    pub(super) fn of_app(self) -> Self {
        let schema = text().pattern(Some(APPID)).build();
        self.with_key()
            .path_parameter("appid", "The app.", schema, "wx0000000000000001")
    }

    pub(super) fn path_parameter(
        self,
        name: &str,
        about: &str,
        schema: Object,
        example: &str,
    ) -> Self {
        self.parameter(
            ParameterIn::Path,
            (name, Required::True),
            about,
            schema,
            example,
        )
    }

    /// A parameter of the query.
    pub(super) fn query(
        self,
        name: &str,
        required: Required,
        about: &str,
        schema: Object,
        example: &str,
    ) -> Self {
        self.parameter(ParameterIn::Query, (name, required), about, schema, example)
    }

    /// A header that changes the answer.
    pub(super) fn header(self, name: &str, about: &str, example: &str) -> Self {
        let name = (name, Required::False);
        self.parameter(ParameterIn::Header, name, about, text().build(), example)
    }

    fn parameter(
        self,
        place: ParameterIn,
        (name, required): (&str, Required),
        about: &str,
        schema: Object,
        example: &str,
    ) -> Self {
        let parameter = ParameterBuilder::new()
            .name(name)
            .parameter_in(place)
            .required(required)
            .description(Some(about))
            .schema(Some(schema))
            .example(Some(example.into()));
        self.with(|builder| builder.parameter(parameter))
    }

    /// The body that it takes.
    pub(super) fn body(self, schema: impl Into<RefOr<Schema>>, example: Value) -> Self {
        let content = ContentBuilder::new()
            .schema(Some(schema))
            .example(Some(example))
            .build();
        let body = RequestBodyBuilder::new()
            .content(JSON, content)
            .required(Some(Required::True))
            .build();
        self.with(|builder| builder.request_body(Some(body)))
    }

    /// Answers 200 with what this type is written as.
    pub(super) fn answers<T: ToSchema>(self, about: &str, example: Value) -> Self {
        let content = ContentBuilder::new()
            .schema(Some(Ref::from_schema_name(T::name())))
            .example(Some(example))
            .build();
        let response = ResponseBuilder::new().description(about);
        self.knowing::<T>()
            .answer("200", response.content(JSON, content))
    }

    /// Answers 200 with what this type is written as, or with `bare` alone for whoever wants plain text; 304 for
    /// whoever has the version already.
    pub(super) fn answers_kept<T: ToSchema>(self, what: &str, example: Value, bare: &str) -> Self {
        let json = ContentBuilder::new()
            .schema(Some(Ref::from_schema_name(T::name())))
            .example(Some(example))
            .build();
        let plain = ContentBuilder::new()
            .schema(Some(text()))
            .example(Some(bare.into()))
            .build();
        let found = ResponseBuilder::new()
            .description(format!(
                "The {what}. `expires_in` is what is left of its life, in seconds."
            ))
            .content(JSON, json)
            .content("text/plain", plain)
            .header_ref("ETag", header_named("ETag"));
        let known = ResponseBuilder::new()
            .description("The version named in `If-None-Match` is still the current one.")
            .header_ref("ETag", header_named("ETag"));
        let about = format!("The `ETag` of the {what} that you have.");
        self.header("If-None-Match", &about, "\"1795206945123456\"")
            .knowing::<T>()
            .answer("200", found)
            .answer("304", known)
    }

    /// Answers with this status. Every answer names its request.
    pub(super) fn answer(self, status: &str, response: ResponseBuilder) -> Self {
        let response = named(response);
        self.with(|builder| builder.response(status, response))
    }

    /// Has the type's schema in the document.
    pub(super) fn knowing<T: ToSchema>(mut self) -> Self {
        self.schemas.push((T::name().into_owned(), T::schema()));
        T::schemas(&mut self.schemas);
        self
    }

    /// The operation as it stands in the document, and the schemas it needs.
    pub(super) fn finish(self) -> (utoipa::openapi::path::Operation, Vec<Named>) {
        let mut builder = self.builder;
        if !self.route.speaks_wechat() {
            for (status, name) in refusals::of_each_status(self.route) {
                builder = builder.response(status, RefOr::Ref(Ref::from_response_name(name)));
            }
        }
        (builder.build(), self.schemas)
    }

    fn with(mut self, change: impl FnOnce(OperationBuilder) -> OperationBuilder) -> Self {
        self.builder = change(self.builder);
        self
    }
}

/// The response, with the header that all have.
pub(super) fn named(response: ResponseBuilder) -> Response {
    response
        .header_ref("X-Request-Id", header_named("X-Request-Id"))
        .build()
}

pub(super) fn header_named(name: &str) -> Ref {
    Ref::new(format!("#/components/headers/{name}"))
}

pub(super) fn text() -> ObjectBuilder {
    ObjectBuilder::new().schema_type(SchemaType::new(Type::String))
}

/// A text of at most so many characters, none of which controls anything.
pub(super) fn short(most: usize) -> Object {
    let visible = text().pattern(Some(r"^[^\x00-\x1f\x7f-\x9f]+$"));
    visible.max_length(Some(most)).build()
}

/// An address of the web. Narrower than what is taken: a pattern cannot tell which names are hosts, and whoever keeps
/// to this one is understood.
pub(super) fn web_address(most: usize) -> Object {
    let plain =
        r"^https?://([a-z]{1,20}\.){1,3}[a-z]{2,10}(/[A-Za-z0-9._/-]*)?(\?[A-Za-z0-9=&._-]*)?$";
    text().pattern(Some(plain)).max_length(Some(most)).build()
}

/// One of these words.
pub(super) fn word(words: &[&str]) -> Object {
    text().enum_values(Some(words.iter().copied())).build()
}

/// `null` is as good as none.
pub(super) fn allow_null(schema: &mut Object) {
    if let SchemaType::Type(only) = schema.schema_type.clone() {
        schema.schema_type = SchemaType::from_iter([only, Type::Null]);
    }
    if let Some(values) = &mut schema.enum_values {
        values.push(Value::Null);
    }
}

/// An object with these members and no others; the first `required` must be there.
pub(super) fn object(required: usize, members: &[(&str, &str, Object)]) -> Object {
    let mut object = ObjectBuilder::new()
        .schema_type(SchemaType::new(Type::Object))
        .additional_properties(Some(AdditionalProperties::FreeForm(false)));
    for (index, (name, about, schema)) in members.iter().enumerate() {
        let mut schema = schema.clone();
        schema.description = Some((*about).to_owned());
        if index >= required {
            allow_null(&mut schema);
        }
        object = object.property(*name, schema);
        if index < required {
            object = object.required(*name);
        }
    }
    object.build()
}
