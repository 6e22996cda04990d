/**
 * The types of ecrm.js, and what its calls do. README, "In the browser", has an example.
 *
 * | call | says |
 * |---|---|
 * | `init({key, url, socket, consent, onError})` | who the shop is; before it all waits in memory |
 * | `consent(true \| false)` | what the visitor agreed to; nothing is stored or sent before |
 * | `page(name?, properties?)` | a page is shown; address, title and referrer are added |
 * | `product.viewed`, `product.listed`, `searched` | Product Viewed, Product List Viewed, Products Searched |
 * | `cart.add`, `remove`, `viewed`, `emptied` | Product Added, Product Removed, Cart Viewed, Cart Emptied |
 * | `wishlist.add`, `remove` | Product Added to Wishlist, Product Removed from Wishlist |
 * | `checkout.started`, `step`, `completed` | Checkout Started, Step Viewed, Step Completed |
 * | `checkout.payment`, `coupon` | Payment Info Entered, Coupon Entered |
 * | `track(event, properties?)` | any event that a publishable key may say |
 * | `identify(userId, traits?, {userHash})` | this visitor is that customer, with the back end's proof |
 * | `alias(userId, previousId?, {userHash})` | two lives are one |
 * | `reset()` | somebody logged out: the next person is another visitor |
 *
 * No call throws or returns anything to wait for. What was said is kept until the service has
 * answered: over pages, tabs, and times without a network.
 */

/** A product by its id alone, or with what is known of it. `price` is for one piece. */
export type Product =
  | string
  | number
  | {
      product_id: string | number;
      sku?: string;
      category?: string;
      name?: string;
      brand?: string;
      variant?: string;
      price?: number;
      quantity?: number;
      coupon?: string;
      position?: number;
      url?: string;
      image_url?: string;
      /** ISO 4217, like "EUR". */
      currency?: string;
      [property: string]: unknown;
    };

export interface Properties {
  [property: string]: unknown;
}

export interface Cart extends Properties {
  cart_id?: string;
  value?: number;
  currency?: string;
}

export interface Checkout extends Cart {
  checkout_id?: string;
  order_id?: string;
  shipping_method?: string;
  payment_method?: string;
}

/** The steps that ecrm tells apart; a number or another name is kept and means nothing to it. */
export type Step = "contact" | "address" | "shipping" | "payment" | "review" | (string & {}) | number;

/** What a browser may tell of a person; the e-mail address is for the back end to tell. */
export interface Traits extends Properties {
  firstName?: string;
  lastName?: string;
  gender?: string;
  /** YYYY-MM-DD */
  birthday?: string;
  phone?: string;
  locale?: string;
  timezone?: string;
  address?: { street?: string; postalCode?: string; city?: string; state?: string; country?: string };
  preferences?: { [name: string]: string | number | boolean | string[] | null };
}

export interface Proof {
  /** Hex HMAC-SHA256 of the userId with the identity secret, made by the shop's back end. */
  userHash?: string;
}

export interface Problem {
  /**
   * The service's: `invalid`, `forbidden`, `stale`, `unidentified`, `held`, `too_large`,
   * `invalid_frame` (this message is given up), `unauthorized` (nothing is sent any more). Ours:
   * `dropped` (more than `queueSize` wait), `storage` (memory serves), `failed` (anything else).
   */
  code: string;
  reason: string;
  /** Of the message, where it is about one. */
  id?: string;
  /** Where in the message, like `$.properties.price`. */
  path?: string;
}

export interface Settings {
  /** The publishable key, `pk_…`. Never another kind. */
  key: string;
  /** Where ecrm's pages are, like "https://mails.shop.example"; else where this file is from. */
  url?: string;
  /** Where its websocket is, if not at `url`; `false` uses HTTP alone. */
  socket?: string | false;
  /** What is known of the visitor's consent; left out, an earlier page's answer counts. */
  consent?: boolean;
  /** How many messages may wait; 1000. Beyond it the oldest is given up. */
  queueSize?: number;
  onError?: (problem: Problem) => void;
}

export interface Ecrm {
  init(settings: Settings): void;
  /** `false` forgets everything: stored id, waiting messages, and who was here. */
  consent(granted: boolean): void;
  track(event: string, properties?: Properties): void;
  page(name?: string, properties?: Properties): void;
  identify(userId: string, traits?: Traits, proof?: Proof): void;
  /** `previousId` is this visitor, unless another is named. */
  alias(userId: string, previousId?: string, proof?: Proof): void;
  reset(): void;
  /** The id of this visitor; it lasts from consent to reset. */
  anonymousId(): string;
  searched(query: string, more?: Properties): void;
  readonly product: {
    viewed(product: Product, more?: Properties): void;
    listed(products: Product[], more?: { list_id?: string; category?: string } & Properties): void;
  };
  readonly cart: {
    add(product: Product, more?: Cart): void;
    remove(product: Product, more?: Cart): void;
    viewed(products: Product[], more?: Cart): void;
    emptied(cartId: string): void;
  };
  readonly wishlist: {
    add(product: Product, more?: Properties): void;
    remove(product: Product, more?: Properties): void;
  };
  readonly checkout: {
    started(properties?: Checkout & { products?: Product[] }): void;
    step(step: Step, more?: Checkout): void;
    completed(step: Step, more?: Checkout): void;
    payment(properties?: Checkout): void;
    coupon(name: string, more?: Checkout): void;
  };
}

export declare const ecrm: Ecrm;
export default ecrm;

declare global {
  interface Window {
    ecrm: Ecrm;
  }
}
